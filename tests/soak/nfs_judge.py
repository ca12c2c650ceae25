"""`python -m tests.soak.nfs_judge ROOT`: the engine's judge of a root at rest, as a line of JSON after `verdict `."""

# ruff: noqa: T201 - its print is read on the console

from __future__ import annotations

import json
import sys
from pathlib import Path

from orchestrator.faults.ground import HereGround


def main() -> None:
    """Judge a root."""
    found, wrong = HereGround(Path(sys.argv[1])).judge()
    print("verdict " + json.dumps({"audit": found.as_json(), "wrong": wrong}), flush=True)


if __name__ == "__main__":
    main()
