"""`python -m benchmarks`, which is `make bench`; the first word picks another measurement."""

from __future__ import annotations

import sys
from importlib import import_module

#: Word -> module: each prints its figures beside their targets.
_MEASUREMENTS = {
    "history": "history",
    "backfill": "backfill",
    "files": "files",
    "bi": "bi",
    "by-hand": "by_hand",
}


def main() -> None:
    """Hand the words on."""
    words = sys.argv[1:]
    if words and words[0] in _MEASUREMENTS:
        import_module(f"benchmarks.{_MEASUREMENTS[words[0]]}").main(words[1:])
    else:
        import_module("benchmarks.run").main(words)


if __name__ == "__main__":
    main()
