"""Filing: who owes what by when, what became of each submission, and what the insurer is told.

Belongs here: the institution registry in force, the obligations calendar, submission states and the chain of versions,
receipts. Does not belong here: rules on rows (`validation`), KPIs (`dbt_project`), releases (`publication`).
"""
