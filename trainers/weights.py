"""Existing weights: read from a file, mapped to the names of a network, loaded whole or not at all.

`python -m trainers.weights FILE --backbone resnet32 --num-classes 10` shows what would go where.
"""

from __future__ import annotations

import argparse
import io
import re
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from trainers.backbones import build_backbone
from trainers.backbones.network import Network
from trainers.catalogue import BACKBONES
from trainers.errors import SpecError
from trainers.weight_keys import Mapped, Shapes, concerns_head_alone, head_of, match, problem, table

Source = Path | str | Mapping[str, Any]
_WRAPPERS: Final = ("state_dict", "model", "net", "model_state_dict", "network", "state_dict_best", "weights")
# Body and head apart: dvlab-research/MiSLAS and what follows it, hyperconnect/LADE.
_PAIRS: Final = (("state_dict_model", "state_dict_classifier"), ("feat_model", "classifier"))
_OTHER_PARTS: Final = ("state_dict_lws_model",)
_UNREADABLE: Final = (UnpicklingError, BadZipFile, EOFError, struct.error)
# Numbers and arrays of numpy, which files hold beside the weights; harmless, but torch wants to be told so.
_SCALAR: Final[Any] = np.float64(0).__reduce__()[0]
_ARRAY: Final[Any] = np.zeros(0).__reduce__()[0]
_HARMLESS: Final[tuple[Any, ...]] = (
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *(np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?"))),
)


def load_weights(
    network: Network, source: Source, *, head: Literal["load", "skip"] = "load", strict: bool = True
) -> Mapped:
    """Load weights that some program saved, whatever it calls them.

    Args:
        network: gets them, cast to its own types; is left alone if there is an error.
        source: a file of `torch.save`, or what such a file holds: a state dict or a mapping with one in it.
        head: skip leaves the head at its start: one of another kind, or for other classes.
        strict: whether a weight that is missing, left over or of another shape is an error.

    Returns:
        what became of every weight.

    Raises:
        SpecError: no such file, one that is cut short or holds no weights, or, if strict, those of another network.
    """
    name, state = read_weights(source)
    own = network.state_dict()
    wanted, given = _shapes(own), _shapes(state)
    mapped = match(wanted, given, published_head=network.published_head, skips_head=head == "skip")
    if strict:
        found = problem(mapped, wanted, given, name)
        if found is not None:
            raise SpecError(f"{found}; {_remedy(mapped, wanted, given, network.published_head)}")
    network.load_state_dict({new: state[old] for old, new in mapped.mapped}, strict=False)
    return mapped


def read_weights(source: Source) -> tuple[str, dict[str, Tensor]]:
    """The state dict of a file, or of what a file holds, and what errors call it.

    Raises:
        SpecError: see `load_weights`.
    """
    if isinstance(source, Mapping):
        name, content = "the state dict", source
    else:
        name, content = str(source), _read(Path(source))
    state = _unwrapped(content)
    if not state:
        keys = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise SpecError(f"{name} holds no weights but {keys or 'nothing'}; save the state_dict() of a network")
    return name, state


def _read(path: Path) -> Any:
    try:
        data = path.read_bytes()  # from memory: an error of the disk would look like a broken file
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror}); name a file of weights") from error
    try:
        with torch.serialization.safe_globals(list(_HARMLESS)):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, *_UNREADABLE) as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code is not None:
            raise SpecError(
                f"{path} holds more than weights ({code[1]}), and reading that could run any code; "
                "save its state_dict alone"
            ) from error
        raise SpecError(
            f"{path} ({len(data):,} bytes) is cut short or was not written by torch.save; copy it again"
        ) from error


def _unwrapped(content: Any) -> dict[str, Tensor]:
    """The tensors of the innermost state dict; empty: there is none."""
    if not isinstance(content, Mapping):
        return {}
    for body, head in _PAIRS:
        if isinstance(content.get(body), Mapping) and isinstance(content.get(head), Mapping):
            parts = [content[head], content[body], *(content[key] for key in _OTHER_PARTS if key in content)]
            return {key: value for part in parts for key, value in _unwrapped(part).items()}
    for key in _WRAPPERS:
        inner = _unwrapped(content.get(key))
        if inner:
            return inner
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def _remedy(mapped: Mapped, wanted: Shapes, given: Shapes, published_head: str) -> str:
    """How to mend a mapping that is not whole."""
    theirs, own = head_of(given, published_head), head_of(wanted, published_head)
    if concerns_head_alone(mapped, published_head):
        if theirs is None:
            return "skip the head, which then starts afresh"
        if own is not None and theirs[0] != own[0]:
            return f"build the network with head {theirs[0]}, or skip the head"
        return f"build the network for {theirs[1]} classes, or skip the head"
    fitting = _fitting(given, theirs)
    if fitting:
        return f"load it into {' or '.join(fitting)}"
    return "name the backbone that it was made with, or ask for what fits by strict=False"


def _fitting(given: Shapes, head: tuple[str, int] | None) -> list[str]:
    """The backbones of the catalogue that a file's weights fit without rest, as a user writes them."""
    kind, num_classes = head or ("linear", 1)
    found = []
    for name, entry in BACKBONES.items():
        for values in product(*entry.choices.values()) if not entry.required else ():
            parameters = dict(zip(entry.choices, values, strict=True))
            with torch.device("meta"):
                network = build_backbone(name, num_classes=num_classes, head=kind, **parameters)
            if match(_shapes(network.state_dict()), given, skips_head=head is None).is_whole:
                said = [f"{key}: {value}" for key, value in parameters.items() if value != entry.params[key]]
                found.append(f"{{name: {name}, {', '.join(said)}}}" if said else name)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what would become of a file's weights; returns the exit status, 2 if they could not be loaded."""
    options = _parse(arguments)
    try:
        parameters = dict(_pairs(options.set))
        network = build_backbone(options.backbone, num_classes=options.num_classes, head=options.head, **parameters)
        name, state = read_weights(options.file)
        wanted, given = _shapes(network.state_dict()), _shapes(state)
        mapped = match(wanted, given, published_head=network.published_head, skips_head=options.skip_head)
        print(table(mapped, wanted, given))  # noqa: T201 - what it is for
        found = problem(mapped, wanted, given, name)
        if found is not None:
            raise SpecError(f"{found}; {_remedy(mapped, wanted, given, network.published_head)}")
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - what it is for
        return 2
    return 0


def _pairs(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SpecError(f"--set {pair} is no pair; write it as --set shortcut=B")
        yield key, value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.weights", description="Show which weight of FILE goes where in a network."
    )
    parser.add_argument("file", type=Path, help="written by torch.save: a state dict, or a checkpoint with one in it")
    parser.add_argument("--backbone", required=True, help="name of the network, as in a grid")
    parser.add_argument("--set", action="append", default=[], help="a parameter of it: shortcut=B", metavar="KEY=VALUE")
    parser.add_argument("--num-classes", type=int, required=True, help="classes that it tells apart", metavar="C")
    parser.add_argument("--head", default="linear", help="linear or cosine (%(default)s)")
    parser.add_argument("--skip-head", action="store_true", help="leave the head at its start")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
