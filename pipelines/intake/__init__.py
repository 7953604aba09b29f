"""Intake: from an insurer's outbox to text with addresses.

Belongs here: sources (fsspec), the immutable archive, envelopes, encodings, readers for CSV and XLSX, and the
normalisation of what spreadsheets do to text. Every cell leaves this room as a string with its address.
Does not belong here: what a value means or whether it is right (`validation`), states and deadlines (`filing`).
"""
