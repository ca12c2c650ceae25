"""Which weight of a file is which of a network, by name and shape; pure decisions, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Shapes = Mapping[str, tuple[int, ...]]  # key -> shape
HEAD: Final = "linear"

_PREFIXES: Final = frozenset(
    ("module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "feat_model", "body")
)
_HEADS: Final = frozenset((HEAD, "fc", "classifier", "output", "head", "last_linear"))
_SHORTCUTS: Final = frozenset(("shortcut", "downsample", "convShortcut"))
_WIDE_STAGES: Final = {f"block{number}": f"layer{number}" for number in (1, 2, 3)}
_COUNTER: Final = "num_batches_tracked"  # of a batch norm; files from before PyTorch 0.4.1 lack it
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of every weight of a network and of a file.

    Attributes:
        mapped: pairs of the file's key and the network's, in the network's order.
        kept: the network's keys that keep their start on purpose: a head that is skipped, a counter of batches.
        skipped: the file's keys that are left out on purpose: its head.
        missed: the network's keys that the file lacks.
        misshapen: pairs as in `mapped`, of different shapes; not loaded.
        left_over: the file's keys that no weight of the network takes.
    """

    mapped: tuple[tuple[str, str], ...]
    kept: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, str], ...] = ()
    left_over: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, misshapen or left over."""
        return not (self.missed or self.misshapen or self.left_over)


def canonical(key: str, published_head: str = "fc") -> str:
    """The name of a weight freed from wrappers and spellings; both sides of a mapping are compared by it.

    Args:
        key: of a state dict.
        published_head: what files call the head of this network, beside the usual names.
    """
    parts = key.split(".")
    while len(parts) > 1 and parts[0] in _PREFIXES:
        parts = parts[1:]
    *path, last = parts
    if path and (".".join(path) == published_head or _HEADS.issuperset(path)):
        return f"{HEAD}.{last}"
    if parts[0] in _WIDE_STAGES and parts[1:2] == ["layer"]:  # the first wide residual networks
        parts = [_WIDE_STAGES[parts[0]], *parts[2:]]
    return ".".join(_shortcuts_named_alike(parts))


def _shortcuts_named_alike(parts: list[str]) -> Iterator[str]:
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        yield "shortcut" if part in _SHORTCUTS else part
        if part in _SHORTCUTS and not after.isdigit():
            yield "0"


def match(wanted: Shapes, given: Shapes, *, published_head: str = "fc", skips_head: bool = False) -> Mapped:
    """Find each weight of a network among those of a file.

    Args:
        wanted: the network's.
        given: the file's; where two have one canonical name, the one spelled as the network does it, or the first,
            counts, and the other is left over.
        published_head: see `canonical`.
        skips_head: the head keeps its start, and the file's is not looked at.
    """
    sources: dict[str, str] = {}
    for key in given:
        name = canonical(key, published_head)
        if name not in sources or key in wanted:
            sources[name] = key
    mapped: list[tuple[str, str]] = []
    misshapen: list[tuple[str, str]] = []
    kept: list[str] = []
    missed: list[str] = []
    for key, shape in wanted.items():
        name = canonical(key, published_head)
        source = sources.get(name)
        if skips_head and _is_head(name):
            kept.append(key)
        elif source is None:
            (kept if key.endswith(f".{_COUNTER}") else missed).append(key)
        else:
            (mapped if given[source] == shape else misshapen).append((source, key))
    used = {source for source, _ in (*mapped, *misshapen)}
    rest = [key for key in given if key not in used]
    skipped = [key for key in rest if skips_head and _is_head(canonical(key, published_head))]
    left_over = [key for key in rest if key not in skipped]
    return Mapped(
        tuple(mapped),
        kept=tuple(kept),
        skipped=tuple(skipped),
        missed=tuple(missed),
        misshapen=tuple(misshapen),
        left_over=tuple(left_over),
    )


def _is_head(name: str) -> bool:
    return name.startswith(f"{HEAD}.")


def concerns_head_alone(mapped: Mapped, published_head: str = "fc") -> bool:
    """Whether all that is wrong is wrong with the head, and the body of the network is all there."""
    wrong = [*mapped.missed, *mapped.left_over, *(key for _, key in mapped.misshapen)]
    return bool(mapped.mapped) and all(_is_head(canonical(key, published_head)) for key in wrong)


def problem(mapped: Mapped, wanted: Shapes, given: Shapes, source: str) -> str | None:
    """What keeps a file from being loaded whole, in some words; None: nothing does."""
    if mapped.misshapen:
        (old, key), *more = mapped.misshapen
        others = f" (and {len(more)} more of other shapes)" if more else ""
        return f"{key} is {given[old]} in {source} and {wanted[key]} in this network{others}"
    if mapped.missed:
        return f"{source} lacks {_first(mapped.missed)}"
    if mapped.left_over:
        return f"{source} has weights that this network lacks: {_first(mapped.left_over)}"
    return None


def _first(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def head_of(given: Shapes, published_head: str = "fc") -> tuple[str, int] | None:
    """The kind of a file's head, linear or cosine, and its number of classes; None: it has none that is known.

    A cosine head (`NormedLinear`) has a weight (D, C) and no bias, a linear one a weight (C, D) and a bias (C,).
    """
    found = {canonical(key, published_head): shape for key, shape in given.items()}
    weight = found.get(f"{HEAD}.weight", ())
    if len(weight) != 2:
        return None
    return ("linear", weight[0]) if f"{HEAD}.bias" in found else ("cosine", weight[1])


def table(mapped: Mapped, wanted: Shapes, given: Shapes) -> str:
    """All of it for people: old -> new with the shape, then what is not loaded and why."""
    width = max((len(old) for old, _ in (*mapped.mapped, *mapped.misshapen)), default=0)
    lines = [f"{old:{width}} -> {key}  {_size(wanted[key])}" for old, key in mapped.mapped]
    lines += [
        f"{old:{width}} -> {key}  wrong shape: {_size(given[old])} for {_size(wanted[key])}"
        for old, key in mapped.misshapen
    ]
    for what, keys in (
        ("missed", mapped.missed),
        ("left over", mapped.left_over),
        ("skipped", mapped.skipped),
        ("keeps its start", mapped.kept),
    ):
        lines += [f"{what}: {key}" for key in keys]
    counts = {
        "mapped": mapped.mapped,
        "wrong shape": mapped.misshapen,
        "missed": mapped.missed,
        "left over": mapped.left_over,
        "skipped": mapped.skipped,
        "kept": mapped.kept,
    }
    return "\n".join([*lines, ", ".join(f"{len(keys)} {what}" for what, keys in counts.items())])


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
