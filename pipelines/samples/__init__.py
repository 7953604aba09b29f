"""The sample bureau: what the insurers of one city would send, and what a correct pipeline must say about it.

Put here: the deterministic generator (institutions, clean facts, filings as insurers really make them,
planted defects) and its two answer keys. Do not put here: anything the pipeline uses to read, check or
compute; the answer keys are worth something only while they come by another road. Only the contracts are
shared, because an insurer knows them too.

Entry point: :func:`pipelines.samples.bureau.generate`.
"""

from __future__ import annotations
