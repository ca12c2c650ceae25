"""The one place that knows a file name under a root. Every path here is relative to the root, with `/`."""

from __future__ import annotations

import re
import zlib
from typing import Final, NamedTuple

SESSIONS: Final = ".orch/sessions"
TMP: Final = ".orch/tmp"
CONTROL: Final = ".orch/control"
DOCTOR: Final = ".orch/doctor"  # where two hosts that examine the root at once meet
PLAN: Final = "plan"
LOG: Final = "log"
DONE: Final = "done"
JOBS: Final = "jobs"
REPORT: Final = "report"
RESULT: Final = "result"
LOG_FILE: Final = "log.txt"
ATTEMPT_FILE: Final = "attempt.json"
RESULT_FILE: Final = "result.json"
FAILURE_FILE: Final = "failure.json"

MAX_JOB_ID: Final = 120
_EXPERIMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_JOB_ID: Final = re.compile(r"[a-z0-9-]{1,120}")
_CONTROL: Final = re.compile(r"((?!000000)[0-9]{6}|[1-9][0-9]{6,})\.json")
_REGISTER: Final = re.compile(r"([a-z0-9-]{1,120})\.((?!0000)[0-9]{4}|[1-9][0-9]{4,})(\.end|\.void)?")


def is_experiment_name(name: str) -> bool:
    """Whether `name` may be an experiment: begins with a letter or a digit, so that none collides with `.orch`."""
    return _EXPERIMENT.fullmatch(name) is not None


def is_job_id(text: str) -> bool:
    """Whether `text` may be a job id."""
    return _JOB_ID.fullmatch(text) is not None


def shard(job: str) -> str:
    """The shard folder of a job: two hex digits."""
    return f"{zlib.crc32(job.encode()) & 0xFF:02x}"


class Register(NamedTuple):
    """A name in a shard of `log/`: attempt `attempt` of `job` is claimed (suffix ""), ended (".end") or void."""

    job: str
    attempt: int
    suffix: str


def parse_register(name: str) -> Register | None:
    """The register a file name stands for; None for a name that is none of ours."""
    match = _REGISTER.fullmatch(name)
    return Register(match[1], int(match[2]), match[3] or "") if match else None


def log_shard(experiment: str, job: str) -> str:
    return f"{experiment}/{LOG}/{shard(job)}"


def claim(experiment: str, job: str, attempt: int) -> str:
    return f"{experiment}/{LOG}/{shard(job)}/{job}.{attempt:04d}"


def end(experiment: str, job: str, attempt: int) -> str:
    return f"{claim(experiment, job, attempt)}.end"


def void(experiment: str, job: str, attempt: int) -> str:
    return f"{claim(experiment, job, attempt)}.void"


def done_marker(experiment: str, job: str, attempt: int) -> str:
    return f"{experiment}/{DONE}/{shard(job)}/{job}.{attempt:04d}"


def job_folder(experiment: str, job: str) -> str:
    return f"{experiment}/{JOBS}/{job}"


def attempt_folder(experiment: str, job: str, attempt: int, session: str) -> str:
    return f"{job_folder(experiment, job)}/{attempt:04d}-{session}"


def attempt_of_folder(name: str) -> int | None:
    """The attempt that a folder under `jobs/<job>/` belongs to; None for `result` and strangers."""
    number, dash, _ = name.partition("-")
    return int(number) if dash and number.isdecimal() else None


def result_link(experiment: str, job: str) -> str:
    return f"{job_folder(experiment, job)}/{RESULT}"


def plan_file(experiment: str, number: int) -> str:
    return f"{experiment}/{PLAN}/{number:06d}.jsonl"


def control_file(number: int) -> str:
    """The N-th command of people to all workers."""
    return f"{CONTROL}/{number:06d}.json"


def control_number(name: str) -> int | None:
    """The number of a file in `.orch/control`; None for a name that is none of ours."""
    match = _CONTROL.fullmatch(name)
    return int(match[1]) if match else None


def lease(session: str) -> str:
    return f"{SESSIONS}/{session}.lease"


def session_end(session: str) -> str:
    return f"{SESSIONS}/{session}.end"


def session_note(session: str) -> str:
    """What a session says of itself, for people only."""
    return f"{SESSIONS}/{session}.json"


def ticket(session: str, name: str) -> str:
    """A private file of a session, complete before it is linked."""
    return f"{TMP}/{session}.{name}"


def command_temp(token: str) -> str:
    """A private file of a command without a session."""
    return f"{TMP}/cmd.{token}"
