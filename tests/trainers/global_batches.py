"""What several ranks see and compute: `python -m tests.trainers.global_batches SPEC OUT [--frozen]`, once a rank.

Rank 0 writes OUT: a hash of every global batch of an epoch, put together from the ranks' shares, and the gradients that
all ranks hold after the first batch. `--frozen`: batch norm uses its running statistics, so that a sample's gradient
does not depend on which others its rank sees.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch

from trainers.assembly import assemble, configure_torch
from trainers.patience import ONE_TRY
from trainers.ranks import join_ranks, leave_ranks, share_of_batch
from trainers.spec import parse_spec
from trainers.step import EagerStep
from trainers.stopping import StopRequest


def main() -> None:
    """Look at one epoch."""
    spec = parse_spec(json.loads(Path(sys.argv[1]).read_text()))
    configure_torch(spec.train.threads)
    ranks = join_ranks(spec.train.ranks)
    loop = assemble(spec, ranks, StopRequest(), ONE_TRY).loop
    loop.model.forward.train(mode="--frozen" not in sys.argv)
    loop.model.set_rate(0.0)
    hashes, feed = [], loop.feed.epoch(0, spec.train.batch_size)
    for start in range(0, loop.steps * spec.train.batch_size, spec.train.batch_size):
        stop = min(start + spec.train.batch_size, len(loop.feed.images))
        share = share_of_batch(stop - start, ranks.rank, ranks.size)
        samples = feed.samples(start, stop, share)
        if start == 0:
            EagerStep(loop.model, spec.train.accumulate)(samples, share.weight, 0)
        parts = ranks.gather_objects([tensor.contiguous() for tensor in samples.tensors() if tensor.dim()])
        digest = hashlib.sha256()
        for tensors in zip(*parts, strict=True):
            digest.update(torch.cat(tensors).numpy().tobytes())
        hashes.append(digest.hexdigest())
    if ranks.is_first:
        gradients = [parameter.grad for parameter in loop.model.network.parameters()]
        torch.save({"hashes": hashes, "gradients": gradients}, sys.argv[2])
    leave_ranks(ranks)


if __name__ == "__main__":
    main()
