"""Images a second of one epoch of training on CIFAR-shaped data: the engine, beside the field's loop and a bare one.

    python benchmarks/training.py [--backbone resnet32] [--batch-size 128] [--rounds 5] [--threads 1]
    python benchmarks/training.py --jobs 1,2,4          several runs on one device at once

    field     a DataLoader over PIL images with torchvision's transforms, 0 or 2 workers, the network in the layout that
              torch chooses, a loss read on the host at every step: as the repositories of the field write it
    bare      forward, backward and the optimizer's step on one fixed batch, nothing else: what the hardware gives
    engine    an epoch of `trainers.loop`: order, crops, flips, normalisation, learning rate, tallies and all

All in one process, one after another in each round, with the same network, threads and determinism; medians over the
rounds. On a GPU the bare loop and the engine are measured operation by operation ("eager"), compiled, and recorded as a
CUDA graph, and each share is that of the bare loop of its own kind.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.assembly import configure_torch
from trainers.backbones import build_backbone
from trainers.catalogue import TRAIN
from trainers.data.images import CIFAR10_MEAN, CIFAR10_STD, Dataset, Split
from trainers.data.resident import Pixels
from trainers.data.streamed import place
from trainers.feed import AT_ONCE, Feed, Sampling
from trainers.loop import EpochLoop
from trainers.losses import build_loss
from trainers.precision import Precision, resolve
from trainers.progress import Progress
from trainers.ranks import Ranks
from trainers.rules.rule import Rule
from trainers.spec import Training
from trainers.state import TrainState
from trainers.step import EagerStep, Model, RecordedStep, Samples
from trainers.stopping import StopRequest

CLASSES = 10
WARM_BATCHES = 8
Run = Callable[[], float]
"""One round; the images a second of it."""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    backbone: str
    batch_size: int
    batches: int
    rounds: int
    threads: int
    device: torch.device
    precision: Precision
    augment: str

    @property
    def images(self) -> int:
        """In an epoch."""
        return self.batches * self.batch_size


def synthetic(count: int) -> Dataset:
    """Noise of CIFAR's shape, every class in it."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    targets = np.arange(count, dtype=np.int64) % CLASSES
    split = Split(images, targets)
    return Dataset(split, split, tuple(map(str, range(CLASSES))))


def new_model(options: Options, kind: str) -> Model:
    """A network with its optimizer: "field", as repositories build it, or as the engine does."""
    is_field = kind == "field"
    torch.manual_seed(0)
    network = cast("nn.Module", build_backbone(options.backbone, num_classes=CLASSES)).to(options.device)
    on_cuda = options.device.type == "cuda"
    if not is_field:
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=torch.tensor(0.01, device=options.device) if kind == "recorded" else 0.01,
        momentum=0.9,
        weight_decay=2e-4,
        fused=on_cuda and not is_field,
        foreach=not on_cuda and not is_field,
    )
    forward = cast("nn.Module", torch.compile(network)) if kind == "compiled" else network
    loss = build_loss("ce", num_classes=CLASSES)
    return Model(network, forward, loss, Rule(), optimizer, options.precision.scaler(), options.precision)


def wait(device: torch.device) -> None:
    """Until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def field(options: Options, workers: int) -> Run:
    """(a) The field's loop."""
    from PIL import Image
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(CIFAR10_MEAN, CIFAR10_STD),
        ]
    )
    data = synthetic(options.images).train

    class Images(torch.utils.data.Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(data.targets)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            return cast("Tensor", transform(Image.fromarray(data.images[index]))), int(data.targets[index])

    model, on_cuda = new_model(options, "field"), options.device.type == "cuda"
    loader = torch.utils.data.DataLoader(
        Images(), options.batch_size, shuffle=True, num_workers=workers, pin_memory=on_cuda
    )

    def run() -> float:
        model.network.train()
        began = time.perf_counter()
        for images, targets in loader:
            images, targets = images.to(options.device, non_blocking=True), targets.to(options.device)
            with options.precision.autocast():
                output = model.network(images)
            loss = F.cross_entropy(output.float(), targets)
            _seen = loss.item(), (output.topk(5, 1)[1] == targets[:, None]).float().sum().item()
            model.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            model.optimizer.step()
        wait(options.device)
        return options.images / (time.perf_counter() - began)

    return run


def bare(options: Options, kind: str) -> Run:
    """(b) Forward, backward and step on one fixed batch."""
    model = new_model(options, kind)
    images = torch.randn(options.batch_size, 3, 32, 32, device=options.device)
    images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.arange(options.batch_size, device=options.device) % CLASSES
    one = EagerStep(model) if kind != "recorded" else RecordedStep(EagerStep(model))
    samples = Samples(images, targets)
    model.network.train()

    def run() -> float:
        began = time.perf_counter()
        for _ in range(options.batches):
            one(samples, 1.0, 0)
        wait(options.device)
        return options.images / (time.perf_counter() - began)

    return run


def engine(options: Options, kind: str) -> Run:
    """An epoch of the engine."""
    dataset = synthetic(options.images)
    pixels = Pixels.of(dataset, options.device)
    images = place(dataset.train, slice(None), options.device)
    feed = Feed(
        images=images,
        val=None,
        pixels=pixels,
        has_flips=True,
        augment=options.augment,
        mixer={"name": "none"},
        sampling=Sampling({"name": "instance"}, Rule(), (1,) * CLASSES, epochs=1),
        seed=0,
        device=options.device,
        at_once=AT_ONCE[options.device.type],
    )
    values: dict[str, Any] = {
        **TRAIN,
        "batch_size": options.batch_size,
        "compile": kind == "compiled",
        "graph": kind == "recorded",
    }
    train = Training(**values)
    loop = EpochLoop(new_model(options, kind), feed, train, Ranks(0, 1, options.device))
    state = TrainState.fresh(loop.steps, options.device)
    progress = Progress(None, 10**6, 0.0)

    def run() -> float:
        began = time.perf_counter()
        loop.run_epoch(state, StopRequest(), progress, lambda: None)
        state.begin_next_epoch()
        wait(options.device)
        return options.images / (time.perf_counter() - began)

    return run


def contenders(options: Options, with_field: bool) -> Iterator[tuple[str, Run]]:
    """What is measured, by name."""
    on_cuda = options.device.type == "cuda"
    if with_field:
        yield "field, 0 workers", field(options, 0)
        yield "field, 2 workers", field(options, 2)
    for kind in ("eager", "compiled", "recorded") if on_cuda else ("eager", "compiled"):
        yield f"bare, {kind}", bare(options, kind)
        yield f"engine, {kind}", engine(options, kind)


def table(options: Options, with_field: bool) -> None:
    """Measure and print."""
    runs = dict(contenders(options, with_field))
    for name, run in runs.items():
        began = time.perf_counter()
        run()
        print(f"warm: {name}, {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            rates[name].append(run())
    print("| loop | images/s | of the bare one | of the field's, 0 workers |")
    print("| --- | --- | --- | --- |")
    for name, found in rates.items():
        kind = name.rpartition(" ")[2]
        of_bare = ratio(found, rates[f"bare, {kind}"]) if name.startswith("engine") else ""
        of_field = ratio(found, rates["field, 0 workers"]) if "field, 0 workers" in rates else ""
        print(f"| {name} | {statistics.median(found):,.0f} | {of_bare} | {of_field} |")


def ratio(ones: list[float], others: list[float]) -> str:
    """The median of the rounds' ratios."""
    return f"{statistics.median(one / other for one, other in zip(ones, others, strict=True)):.3f}"


def together(counts: list[int], argv: list[str]) -> None:
    """Several engines at once on one device, each a process."""
    print("| runs at once | images/s each | in all |")
    print("| --- | --- | --- |")
    for count in counts:
        begin = time.time() + 45 + 2 * count  # all have warmed up by then
        children = [
            subprocess.Popen(
                [sys.executable, __file__, *argv, "--begin", str(begin)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        rates = [float(child.communicate()[0].split()[-1]) for child in children]
        print(f"| {count} | {statistics.median(rates):,.0f} | {sum(rates):,.0f} |", flush=True)


def one_of_several(options: Options, begin: float) -> None:
    """Warm up, wait for the others, measure as long as they do."""
    run = engine(options, "recorded" if options.device.type == "cuda" else "eager")
    run()
    time.sleep(max(0.0, begin - time.time()))
    began, images = time.perf_counter(), 0
    while time.perf_counter() - began < 10:
        run()
        images += options.images
    print(images / (time.perf_counter() - began))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet32")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batches", type=int, help="in an epoch; 6 on a CPU, 200 on a GPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--augment", default="weak")
    parser.add_argument("--no-field", action="store_true", help="leave out the field's loop")
    parser.add_argument("--jobs", help="so many runs at once instead, such as 1,2,4")
    parser.add_argument("--begin", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    configure_torch(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options = Options(
        backbone=given.backbone,
        batch_size=given.batch_size,
        batches=given.batches or (200 if device.type == "cuda" else 6),
        rounds=given.rounds,
        threads=given.threads,
        device=device,
        precision=resolve(given.precision, device),
        augment=given.augment,
    )
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {given.threads} thread(s)"
    if given.begin is not None:
        one_of_several(options, given.begin)
        return
    print(f"{given.backbone}, batch {given.batch_size}, {options.precision.name}, {name}, torch {torch.__version__}\n")
    if given.jobs:
        argv = [argument for argument in sys.argv[1:] if not argument.startswith("--jobs") and argument != given.jobs]
        together([int(count) for count in given.jobs.split(",")], argv)
    else:
        table(options, not given.no_field)


if __name__ == "__main__":
    main()
