"""One filing of the sample sent again with one cell changed, as benchmarks of increments need it.

Put here: which filing is taken and how its second version is written. Do not put here: what is measured over it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

_AGENT = re.compile(rb"A\d{3}-(\d{5})")


def middling(home: Path, inbox: Path, form: str) -> tuple[dict[str, Any], Path]:
    """Envelope and sidecar of a CSV filing of the first month, accepted as it came, that names a sales person.

    Of these the one with the middle number of rows, or the nearest.
    """
    con = duckdb.connect(str(home / "releases" / "current" / "warehouse.duckdb"), read_only=True)
    rows = con.execute(
        """SELECT submission_id FROM filing.submissions
        WHERE form = ? AND state = 'accepted' AND sequence_no = 1 AND rows_read > 0 AND encoding <> 'xlsx'
            AND period = (SELECT min(period) FROM filing.submissions WHERE form = 'F01')
        ORDER BY rows_read, submission_id""",
        [form],
    ).fetchall()
    con.close()
    middle = len(rows) // 2
    wanted = [row[0] for _, row in sorted(enumerate(rows), key=lambda place: abs(place[0] - middle))]
    envelopes: dict[str, tuple[dict[str, Any], Path]] = {}
    for sidecar in inbox.rglob("*.json"):
        envelope: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
        envelopes[envelope["submission_id"]] = (envelope, sidecar)
    for submission in wanted:
        if submission in envelopes and _AGENT.search(envelopes[submission][1].with_suffix("").read_bytes()):
            return envelopes[submission]
    raise LookupError(
        f"no accepted CSV filing of {form} in {inbox} names a sales person; use a larger --scale"
    )


def send_again(home: Path, sidecar: Path, envelope: Mapping[str, Any], minutes: int) -> None:
    """Put a second version beside the first: one sales person's code differs, signed after everything else."""
    con = duckdb.connect(str(home / "releases" / "current" / "warehouse.duckdb"), read_only=True)
    last: datetime = con.execute("SELECT max(signed_at) FROM filing.submissions").fetchall()[0][0]
    con.close()
    data = sidecar.with_suffix("").read_bytes()
    found = _AGENT.search(data)
    assert found is not None  # noqa: S101 - that is what the file was chosen for
    digits = b"%05d" % ((int(found[1]) + 1) % 100_000)
    changed = data[: found.start(1)] + digits + data[found.end(1) :]
    again = dict(envelope) | {
        "submission_id": f"{str(envelope['submission_id'])[:-3]}002",
        "kind": "RESUBMIT",
        "sequence_no": 2,
        "supersedes": envelope["submission_id"],
        "reason_code": "更正销售人员编码",
        "signed_at": (last + timedelta(minutes=minutes)).isoformat(timespec="seconds"),
        "sha256": hashlib.sha256(changed).hexdigest(),
    }
    path = sidecar.with_name(f"重报{sidecar.with_suffix('').name}")
    path.write_bytes(changed)
    path.with_name(f"{path.name}.json").write_text(json.dumps(again, ensure_ascii=False), encoding="utf-8")
