"""The grid that `orch init` writes: small enough to run at once, with every word of a grid explained."""

from __future__ import annotations

from typing import Final

_STARTER: Final = """\
# A grid: every combination of its axes is one job. Plan it, work it off, look at it:
#
#   orch plan                 (again after a change: only what is new is added)
#   orch worker               (on every host that shares this folder)
#   orch status
#   orch report
#
# Try it with other values without touching this file: orch plan --set train.epochs=2 --set seed=0,1 --dry-run

name: first                   # of the experiment; the name of this file unless given

# ---- Axes: a list at the top level. A value is a name or a number, or a mapping: {name: focal, gamma: 1}
loss: [ce, focal, bsce]
seed: [0, 1]

# ---- What all jobs share
dataset: digits               # digits, cifar10, cifar100, or {name: folder, path: my-images}: a folder under ORCH_DATA
                              # with train/<class>/ and test/<class>/
imbalance: {type: exp, ratio: 20}   # none, exp, step, head_tail; ratio: 20 and factor: 0.05 say the same
val: {per_class: 20}          # none, {per_class: k} or {fraction: f}; without it no temperature is fitted
backbone: simple_cnn          # simple_cnn, resnet20, resnet32, resnet44, resnet56, resnet110
# head: linear                # or cosine, {name: cosine, scale: 30}; the loss ldam needs it
# rule: none                  # class weights: inverse_rw, effective_rw, dynamic_rw, drw; deferred: drs, deferred_loss
# sampler: instance           # balanced_rs, effective_rs, class_aware, sqrt_rs, progressive_rs
# mixer: none                 # mixup, cutmix, remix
# data_seed: 0                # which images are kept and held out; `seed` is that of the training
# select: last                # the reported epoch: last, best_val, or best_test (said beside the number)

train:                        # a list inside a mapping is a value: milestones: [160, 180]
  epochs: 15                  # preset: ldam200 gives the values of a published protocol; keys beside it win
  batch_size: 32
  lr: 0.1
  schedule: one_cycle         # cosine, multistep, constant, one_cycle

# ---- Rules, applied in this order: zip, grid of when, exclude, include, set of when.
# A rule that matches nothing is an error.
#
# zip: [[backbone, train.lr]]                     # these axes move together, first with first
#
# when:
#   - {if: {loss: focal}, grid: {loss.gamma: [1, 2]}}     # an axis that only some cells have
#   - {if: {loss: bsce, seed: 1}, set: {train.lr: 0.05}}  # a value that only some cells have
#
# exclude:
#   - {loss: focal, seed: 1}                      # every cell that has all of these
#
# include:
#   - {loss: ce, seed: 7}                         # one more cell; it says a value for each axis

# ---- About the jobs; no part of what they are, so a change makes no new ones
# priority: 0                 # larger first
# max_attempts: 3             # failures before a job is given up
# timeout: 12h                # of one attempt; none unless given
# resources: {gpus: 1}        # unless given, a GPU for each rank where a worker has GPUs, else a CPU slot
# notes: what this is for

# ---- Other programs than the trainer
# kind: command                                   # any program; there is no shell
# argv: [python, train.py, --lr, "{lr}"]          # {lr} becomes the cell's lr; {{ is a brace
# lr: [0.1, 0.01]
#
# kind: call                                      # a Python function, called with params
# target: my_module:run
# params: {steps: 100}
# params.lr: [0.1, 0.01]
"""


def starter_grid() -> str:
    """The text of a commented `grid.yaml` to start from."""
    return _STARTER
