"""Warehouse: the private build database, its tables made from contracts, and how they are opened.

Belongs here: connections and their bounded waits, DDL derived from the catalogue, the reference tables
(rules, code lists, working days), and the `filed` views that show accepted rows with their knowledge time.
Does not belong here: reading files (`intake`), judging rows (`validation`), deciding states (`filing`),
KPI arithmetic (`dbt_project`), releases (`publication`).
"""
