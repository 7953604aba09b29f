"""What the pipeline costs beside a script that does the same job by hand; `make bench`, told in README.md.

Put here: measurements. Do not put here: tests (nothing here fails because a machine is slow) or code the pipeline uses.
"""
