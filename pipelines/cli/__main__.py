"""`python -m pipelines.cli`, the same as `xiaobao`."""

from __future__ import annotations

from pipelines.cli import main

if __name__ == "__main__":
    main()
