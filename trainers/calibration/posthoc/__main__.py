"""`python -m trainers.calibration.posthoc RUN_FOLDER --method vector`: fit on the validation split of a finished run.

Writes `calibrator-<method>.json` beside the run's other files and prints what it does to the test split. Exit status: 0
done, 2 what was asked for cannot be done, in one line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainers.calibration.posthoc import METHODS
from trainers.calibration.posthoc.run import calibrate
from trainers.errors import SpecError


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate one run; returns the exit status."""
    given = _parse(arguments)
    try:
        path, table = calibrate(given.folder, given.method, dict(_option(pair) for pair in given.set))
    except (ValueError, OSError) as error:  # SpecError and DataError among them
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - what it is for
        return 2
    print(table)  # noqa: T201 - what it is for
    print(f"\nwritten: {path}")  # noqa: T201 - what it is for
    return 0


def _option(pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals:
        raise SpecError(f"--set {pair} is no pair; write it as --set n_bins=10")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value  # a word


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.calibration.posthoc",
        description="Fit a calibrator on the validation split of a run, and show what it does to the test split.",
    )
    parser.add_argument("folder", type=Path, help="of a finished run: it holds predictions.npz", metavar="RUN_FOLDER")
    parser.add_argument("--method", default="temperature", help=f"one of {', '.join(METHODS)} (%(default)s)")
    parser.add_argument("--set", action="append", default=[], help="an option of it: n_bins=10", metavar="KEY=VALUE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
