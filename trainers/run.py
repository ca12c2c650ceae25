"""The entry point of one attempt: `python -m trainers.run SPEC FOLDER [--resume FOLDER ...]`, one process a rank.

Exit status: 0, done, and FOLDER holds result.json; 75, stopped with a checkpoint to go on from, because it was asked
to, or because a folder could not be written or read for an hour; anything else, failed. Unless it is done, FOLDER holds
failure.json if that could be written. Torch is imported late: first the process ties its life to its parent's and sets
the number of threads, which torch reads when it is imported.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from trainers.errors import (
    EXIT_PREEMPTED,
    DataError,
    DeviceMemoryError,
    FolderAwayError,
    NonFiniteError,
    Preempted,
    SpecError,
)
from trainers.failure import write_failure
from trainers.lifeline import die_with_parent
from trainers.patience import PATIENCE_SECONDS
from trainers.printing import survive_a_lost_log
from trainers.spec import read_spec
from trainers.stopping import StopRequest

_EXIT_FAILED: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one attempt; returns the exit status."""
    die_with_parent()
    survive_a_lost_log()
    options = _parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("trainers").setLevel(logging.INFO)
    stop = StopRequest()
    try:
        stop.install()
        document = read_spec(options.spec)
        set_environment(document)
        _run(document, options, stop)
    except Preempted as request:
        print(f"stopped: {request}", file=sys.stderr)  # noqa: T201 - the log
        # The launcher of several ranks does not hand on their exit status, so the record says it too.
        _leave(options.folder, request, stop)
        return EXIT_PREEMPTED
    except (SpecError, DataError, NonFiniteError, DeviceMemoryError, FolderAwayError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the log
        _leave(options.folder, error, stop)
        return _EXIT_FAILED
    except Exception as error:  # the one place where a failure becomes a record
        traceback.print_exc()
        _leave(options.folder, error, stop)
        return _EXIT_FAILED
    finally:
        stop.ignore()
    return 0


def _leave(folder: Path, error: BaseException, stop: StopRequest) -> None:
    """Record why the attempt ends, which may take some tries, undisturbed."""
    stop.ignore()
    write_failure(folder, error)


def set_environment(document: Mapping[str, Any]) -> None:
    """Set what torch and the libraries under it read when they are imported."""
    threads = str(document.get("train", {}).get("threads", 1))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = threads
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, matrix products on CUDA differ run by run


def _run(document: Mapping[str, Any], options: argparse.Namespace, stop: StopRequest) -> None:
    from trainers.attempt import run_attempt
    from trainers.keeping import Folders

    run_attempt(document, Folders(options.folder, options.resume), stop, options.patience)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trainers.run", description="Run one attempt of a training job.")
    parser.add_argument("spec", type=Path, help="JSON file that says what to train")
    parser.add_argument("folder", type=Path, help="this attempt's folder; it must exist")
    parser.add_argument(
        "--resume", type=Path, nargs="*", default=[], help="folders of earlier attempts, newest first", metavar="FOLDER"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        help="how long to wait for a folder that fails for a passing reason (%(default)s)",
        metavar="SECONDS",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
