"""A job's id: a readable slug and a hash, both of its content alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Final

from jobs.canonical import canonical_json
from trainers import catalogue

HASH_DIGITS: Final = 16
MOST_ID_CHARACTERS: Final = 120
_MOST_SLUG_CHARACTERS: Final = 60
_MOST_WORD_CHARACTERS: Final = 12
_METHODS: Final = ("rule", "sampler")
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,118}[a-z0-9])?")
_POINT: Final = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_NOT_ID: Final = re.compile(r"[^a-z0-9]+")


def job_id(kind: str, content: Mapping[str, Any]) -> str:
    """The id of a job: `[a-z0-9-]`, at most 120 characters.

    Args:
        kind: train, command or call.
        content: canonical and sparse, so that one job has one content.
    """
    text = canonical_json({"kind": kind, "content": content})
    digest = hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]
    return f"{slug(kind, content)}-{digest}"


def is_job_id(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return _ID.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def ratio_word(mu: str) -> str:
    """n_max / n_min for people: 100 for 1/100, 33.3 for 10/333."""
    ratio = 1 / Fraction(mu)
    return str(ratio.numerator) if ratio.denominator == 1 else f"{float(ratio):g}"


def slug(kind: str, content: Mapping[str, Any]) -> str:
    """The readable part of an id: whole words, at most 60 characters, never empty."""
    words = {"train": _train_words, "command": _command_words, "call": _call_words}[kind](content)
    taken = ""
    for word in filter(None, words):
        longer = f"{taken}-{word}" if taken else word[:_MOST_SLUG_CHARACTERS].rstrip("-")
        if len(longer) > _MOST_SLUG_CHARACTERS:
            break
        taken = longer
    return taken or kind


def _train_words(content: Mapping[str, Any]) -> Iterator[str]:
    """Main keys and the seed first, so that a long slug loses the least telling words."""
    yield from _named_words("dataset", content.get("dataset"))
    yield from _imbalance_words(content.get("imbalance"))
    yield from _named_words("backbone", content.get("backbone"))
    loss, *settings = _named_words("loss", content.get("loss"))
    yield loss
    for head in _METHODS:  # ldam-drw-inverse: a method's words, before the loss's settings may fill the slug
        part = sorted(content.get(head, {}).items(), key=lambda item: (item[0] != "name", item[0]))
        yield from (_word(value) for _, value in part if isinstance(value, str))
    yield from settings
    yield f"s{content.get('seed', 0)}"
    for head in catalogue.NAMED:
        if head in content and head not in ("dataset", "imbalance", "backbone", "loss"):
            yield from _numbers(content[head]) if head in _METHODS else _named_words(head, content[head])
    yield from _protocol_words(content)


def _protocol_words(content: Mapping[str, Any]) -> Iterator[str]:
    for key, value in sorted(content.get("val", {}).items()):
        yield "val" + _word(value) if key == "per_class" else "val" + _word(key) + _word(value)
    for key in ("data_seed", "eval_every", "select"):
        if key in content:
            yield _initials(key) + _word(content[key])
    for key, value in sorted(content.get("train", {}).items()):
        if isinstance(value, bool | int | float):
            yield _initials(key) + ("" if isinstance(value, bool) else _word(value))


def _initials(key: str) -> str:
    """batch_size is bs; lr stays lr."""
    return key if len(key) < 3 else "".join(part[0] for part in key.split("_"))


def _imbalance_words(imbalance: Mapping[str, Any] | None) -> Iterator[str]:
    if imbalance is None:
        yield "balanced"
        return
    yield _word(imbalance["type"]) + ratio_word(imbalance["mu"]).replace(".", "p")
    if "n_max" in imbalance:
        yield f"n{imbalance['n_max']}"


def _named_words(head: str, part: Mapping[str, Any] | None) -> Iterator[str]:
    if part is None:
        yield _word(catalogue.NAMED[head][1])
        return
    yield _word(part["name"])
    yield from _scalar_words({key: value for key, value in part.items() if key not in ("name", "fingerprint")})


def _numbers(part: Mapping[str, Any]) -> Iterator[str]:
    return _scalar_words({key: value for key, value in part.items() if not isinstance(value, str)})


def _command_words(content: Mapping[str, Any]) -> Iterator[str]:
    program, arguments = _program(content["argv"])
    yield _word(program)
    for argument in arguments:
        if len(argument) <= _MOST_WORD_CHARACTERS and (word := _word(argument)):
            yield word
    yield from _scalar_words(content.get("params", {}))
    if "seed" in content:
        yield "s" + _word(content["seed"])


def _program(argv: list[str]) -> tuple[str, list[str]]:
    """What a command runs, for people: the script or module that python is given, else the program."""
    rest = argv[1:]
    if not PurePosixPath(argv[0]).name.startswith("python") or not rest:
        return PurePosixPath(argv[0]).stem, rest
    if rest[0] == "-m" and len(rest) > 1:
        return rest[1].rpartition(".")[2], rest[2:]
    if rest[0].startswith("-"):
        return PurePosixPath(argv[0]).stem, []
    return PurePosixPath(rest[0]).stem, rest[1:]


def _call_words(content: Mapping[str, Any]) -> Iterator[str]:
    yield _word(content["target"].rpartition(":")[2])
    yield from _scalar_words(content.get("params", {}))


def _scalar_words(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in sorted(values.items()):
        if value is True:
            yield _word(key)
        elif isinstance(value, bool | int | float):
            yield _word(key) + _word(value)
        elif isinstance(value, str) and len(value) <= _MOST_WORD_CHARACTERS:
            yield f"{_word(key)}-{_word(value)}".strip("-")


def _word(value: Any) -> str:
    """A value in `[a-z0-9-]`: 0.05 is 0p05, -1 is m1, simple_cnn is simple-cnn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text_word(str(value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("+", "").replace("-", "m").replace(".", "p")


@lru_cache(maxsize=4096)
def _text_word(text: str) -> str:
    return _NOT_ID.sub("-", _POINT.sub("p", text.lower())).strip("-")
