"""Validation: each rule stands once, in its contract; here it is compiled, run set-based and turned into findings.

Belongs here: structure rules of envelopes and files, the one pass that types and marks rows, uniqueness and
reference checks, cross-form and cross-period rules, and Great Expectations, which holds the suite and its evidence.
Does not belong here: what a verdict means for a filing's state (`filing`), or reading bytes (`intake`).
"""
