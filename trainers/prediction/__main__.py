"""`python -m trainers.prediction RUN_FOLDER --transform logit_adjustment --set tau=1.0`: predict again, train nothing.

Writes `prediction-<names>.json` and `.npz` beside the run's other files and prints what the transforms do to the test
split. Exit status: 0 done, 2 what was asked for cannot be done, in one line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainers.errors import SpecError
from trainers.prediction import TRANSFORMS
from trainers.prediction.run import predict_again


class _InOrder(argparse.Action):
    """Keeps transforms and their options in the order in which they were given."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """See `argparse.Action`."""
        del parser
        namespace.given = [*namespace.given, (option_string, values)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate one run under transforms; returns the exit status."""
    given = _parse(arguments)
    try:
        path, table = predict_again(given.folder, _asked(given.given))
    except (ValueError, OSError) as error:  # SpecError and DataError among them
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - what it is for
        return 2
    print(table)  # noqa: T201 - what it is for
    print(f"\nwritten: {path}")  # noqa: T201 - what it is for
    return 0


def _asked(given: Sequence[tuple[str, str]]) -> list[tuple[str, dict[str, Any]]]:
    """The transforms, each with the options that follow it.

    Raises:
        SpecError: an option before any transform, or one that is no pair.
    """
    asked: list[tuple[str, dict[str, Any]]] = []
    for flag, text in given:
        if flag == "--transform":
            asked.append((text, {}))
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise SpecError(f"--set {text} is no pair; write it as --set tau=1.0")
        if not asked:
            raise SpecError(f"--set {text} belongs to no transform; put it behind its --transform")
        asked[-1][1][key] = _value(value)
    return asked


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # a word


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.prediction",
        allow_abbrev=False,
        description="Evaluate a finished run again under transforms of its prediction, applied in the order given.",
    )
    parser.add_argument("folder", type=Path, help="of a finished run: it holds predictions.npz", metavar="RUN_FOLDER")
    names = ", ".join(TRANSFORMS)
    parser.add_argument("--transform", action=_InOrder, dest="given", help=f"one of {names}", metavar="NAME")
    text = "an option of the transform before it: tau=1.0, tau=val, with=OTHER_RUN_FOLDER"
    parser.add_argument("--set", action=_InOrder, dest="given", help=text, metavar="KEY=VALUE")
    parser.set_defaults(given=[])
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
