"""Receipts: all that an insurer ever sees of us, about one submission at a time.

`content` says what a receipt holds, `gathering` reads it from the public views, `gathered` makes it of that, `page` and
`workbook` (with `sheets` and `package`) show it, `drawing` does both, `writing` puts the files into the insurer's
outbox. Does not belong here: wording of findings (contracts) and of states (`filing.states`); reminders and notices.
"""
