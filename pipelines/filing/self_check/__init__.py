"""A filer's own check before sending: the regulator's judgement over files at hand, without the regulator's data.

Belongs here: running the rooms of the pipeline (pull, read, settle) over handed files in a database in memory
(`desk`), making up what is missing (`assumed`), telling what cannot be known (`outcome`); `check` is the way in. There
is no rule and no state of its own here: `settle` judges, receipts tell. What is missing is made up for so that it
decides nothing, and the rules concerned are told as not run:

- the institution master: one is assumed in which every reporter and office named in the files exists;
- earlier submissions: a chain that starts later than number 1 is judged as if it started there;
- earlier periods: findings of rules that look back (`Rule.looks_back`) are taken back and listed as pending;
- an envelope: a stand-in is written, see `intake.handed.stand_in`.

A file whose own envelope keeps it from being read is judged a second time with a stand-in, so that the rows' findings
are known before the envelope is signed (`beyond`). Great Expectations, the evidence of a run, is left out: findings
come from the same marks. Does not belong here: terminal output (`cli`).
"""

from __future__ import annotations
