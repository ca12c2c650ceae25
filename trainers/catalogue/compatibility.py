"""Which methods go together: names and numbers of a job that are good each and not together; no torch.

`orch plan` asks before it plans a job, and a trainer asks before it runs one that was written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trainers.catalogue.deferral import switch_epoch
from trainers.catalogue.losses import LOSSES
from trainers.catalogue.methods import RULES, SAMPLERS
from trainers.catalogue.networks import BACKBONES

Values = Mapping[str, Any]
# The nearest loss that takes class weights, and shares of labels; of those that are not named it is `ce`.
_KIN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("cb_focal", "adaptive_focal", "dual_focal", "adafocal", "fcl_meta_lambda"), "focal"),
    **dict.fromkeys(("lade", "gml"), "bsce"),
    "mbls": "label_smoothing",
}
_UNDEFERRED: Final[Mapping[str, str]] = {"effective": "effective_rw", "inverse": "inverse_rw"}  # drw's weights


@dataclass(frozen=True, slots=True)
class Clash:
    """Why a job cannot be.

    Attributes:
        keys: whose values clash, the likeliest mistake first.
        problem: what is wrong.
        remedy: the nearest thing that works.
    """

    keys: tuple[str, ...]
    problem: str
    remedy: str


def clash_of(values: Values) -> Clash | None:
    """The first reason why a job cannot be, or None.

    Args:
        values: every value of the job by dotted key, defaults filled in: `loss` and `rule` are canonical names,
            `rule.defer` and `train.epochs` numbers.
    """
    return next((found for check in _CHECKS if (found := check(values)) is not None), None)


def values_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The values by dotted key of a spec, which has a mapping with a name, or without one, for each part."""
    values: dict[str, Any] = {}
    for head, part in document.items():
        if isinstance(part, Mapping):
            values |= {head if key == "name" else f"{head}.{key}": value for key, value in part.items()}
        else:
            values[head] = part
    return values


def _head(values: Values) -> Clash | None:
    loss, head = values["loss"], values["head"]
    wanted = LOSSES[loss].needs_head
    if wanted and head != wanted:
        return Clash(("head", "loss"), f"loss {loss} cannot learn on head {head}", f"say head: {wanted}")
    if wanted and values["loss.scale"] != values["head.scale"]:
        scale, own = values["loss.scale"], values["head.scale"]
        problem = f"loss.scale {scale:g} is not the {own:g} by which head {head} multiplies its cosines"
        return Clash(("loss.scale", "head.scale", "loss"), problem, f"say head.scale: {scale:g} too, or leave both out")
    return None


def _features(values: Values) -> Clash | None:
    loss, backbone = values["loss"], values["backbone"]
    if not LOSSES[loss].needs_features or BACKBONES[backbone].gives_features:
        return None
    near = next(name for name in ("resnet32", *BACKBONES) if BACKBONES[name].gives_features)
    problem = f"loss {loss} looks at features, and backbone {backbone} gives none"
    return Clash(("backbone", "loss"), problem, f"use backbone: {near}, or loss: ce")


def _epochs(values: Values) -> Clash | None:
    loss, epochs = values["loss"], values["train.epochs"]
    if "loss.late_epochs" not in values or values["loss.curve"] == "constant":
        return None
    least = values["loss.late_epochs"] + 2
    if epochs >= least:
        return None
    problem = f"loss {loss} needs {least} epochs to grow in, and train.epochs is {epochs}"
    remedy = f"say train.epochs: {least} or more, or loss: {{name: {loss}, late_epochs: 0}}"
    return Clash(("train.epochs", "loss"), problem, remedy if epochs > 1 else f"say train.epochs: {least} or more")


def _deferral(values: Values) -> Clash | None:
    if "rule.defer" not in values:
        return None
    rule, defer, epochs = values["rule"], values["rule.defer"], values["train.epochs"]
    keys = ("rule.defer", "train.epochs", "train.preset", "rule")
    try:
        first = switch_epoch(defer, epochs)
    except ValueError as error:
        problem, _, remedy = str(error).partition("; ")
        return Clash(keys, f"rule.{problem}", remedy)
    if first >= epochs:
        problem = f"rule {rule} is deferred to epoch {first} (from 0) of {epochs}: it never begins"
        below = f", or a whole epoch below {epochs}" if epochs > 1 else " and more epochs"
        return Clash(keys, problem, f"give a share of the epochs, such as 0.8{below}")
    if first == 0:
        problem = f"rule {rule} with defer {defer:g} of {epochs} epochs holds from the start"
        return Clash(keys, problem, _without_deferral(values))
    return None


def _without_deferral(values: Values) -> str:
    if values["rule"] == "drw":
        static = _UNDEFERRED.get(values["rule.weights"])
        return f"say rule: {static}" if static else "defer it to epoch 1 or later"
    if values["rule"] == "drs":
        return f"say sampler: {values['rule.sampler']} without the rule"
    return "say rule: none"


def _weights(values: Values) -> Clash | None:
    loss, rule = values["loss"], values["rule"]
    if not RULES[rule].weighs_classes or LOSSES[loss].takes_weights:
        return None
    has_own = loss.startswith("cb_")
    why = "weighs classes already" if has_own else f"takes no class weights, as rule {rule} gives them"
    return Clash(("rule", "loss"), f"loss {loss} {why}", f"say loss: {_KIN.get(loss, 'ce')}, or rule: none")


def _dynamic(values: Values) -> Clash | None:
    if values["rule"] != "dynamic_rw":
        return None
    least, most = values["rule.min_weight"], values["rule.max_weight"]
    if most < least:
        problem = f"rule.max_weight {most:g} is below rule.min_weight {least:g}"
        return Clash(("rule.max_weight", "rule.min_weight", "rule"), problem, "give the larger one as max_weight")
    if values["rule.mode"] == "loss" and LOSSES[values["loss"]].needs_features:
        problem = f"rule dynamic_rw cannot follow loss {values['loss']} class by class: it needs features"
        return Clash(("rule.mode", "rule"), problem, "say rule.mode: recall")
    if values["rule.mode"] == "loss" and LOSSES[values["loss"]].may_be_negative:
        problem = f"rule dynamic_rw cannot follow loss {values['loss']}, which may be negative, class by class"
        return Clash(("rule.mode", "rule"), problem, "say rule.mode: recall")
    return None


def _remix(values: Values) -> Clash | None:
    loss = values["loss"]
    if values["mixer"] != "remix" or not LOSSES[loss].needs_one_label:
        return None
    problem = f"mixer remix gives each image shares of two labels, and loss {loss} needs one label"
    return Clash(("mixer", "loss"), problem, f"use mixer: mixup, or loss: {_KIN.get(loss, 'ce')}")


def _deferred_sampler(values: Values) -> Clash | None:
    sampler = values["sampler"]
    if values["rule"] != "drs" or values["rule.sampler"] != sampler:
        return None
    if any(values[f"sampler.{key}"] != default for key, default in SAMPLERS[sampler].params.items()):
        return None  # the rule's has the defaults
    problem = f"rule drs turns to sampler {sampler}, by which the job is drawn from the start"
    return Clash(("rule.sampler", "sampler", "rule"), problem, "say sampler: instance, or rule: none")


def _deferred_loss(values: Values) -> Clash | None:
    if values["rule"] != "deferred_loss":
        return None
    loss = values["loss"]
    if loss == "ce":
        problem = "rule deferred_loss is cross entropy first and then the loss, which is ce too"
        return Clash(("rule", "loss"), problem, "name the later loss, or say rule: none")
    if LOSSES[loss].needs_val:
        problem = f"loss {loss} learns from the validation split from the start, so it cannot be deferred"
        return Clash(("rule", "loss"), problem, "say rule: none")
    return None


def _idle(values: Values) -> Clash | None:
    """A number that nothing reads would make two jobs of one."""
    for key, default, owner, wanted in (
        ("rule.beta", RULES["drw"].params["beta"], "rule.weights", "effective"),
        ("loss.power", LOSSES["las"].params["power"], "loss.form", "exp"),
    ):
        if owner in values and key in values and values[owner] != wanted and values[key] != default:
            problem = f"{key} has no effect with {owner} {values[owner]}"
            return Clash((key,), problem, f"leave it out, or say {owner}: {wanted}")
    if values.get("loss.curve") == "constant" and values["loss.late_epochs"] != LOSSES["fbl"].params["late_epochs"]:
        problem = "loss.late_epochs has no effect with loss.curve constant"
        return Clash(("loss.late_epochs",), problem, "leave it out, or say loss.curve: parabolic")
    return None


_CHECKS: Final[tuple[Callable[[Values], Clash | None], ...]] = (
    _head,
    _features,
    _epochs,
    _deferral,
    _weights,
    _dynamic,
    _remix,
    _deferred_sampler,
    _deferred_loss,
    _idle,
)
