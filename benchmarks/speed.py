"""A training step and a sampling step at equal parameters and shapes, and their share of the machine's peak.

All networks run in our trainer and our sampler, so what is compared is the network.
"""
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

import ddpm_lite as dl
from benchmarks import nets, timing
from benchmarks.labels import OURS
from benchmarks.nets import Make, Shape

BATCH: dict[Shape, int] = {(1, 8, 8): 128, (1, 28, 28): 64, (3, 32, 32): 64}
IMAGES = 64                                      # of a sampling step


def run(rounds: int = 9, seconds: float = 0.3, shapes: dict[Shape, int] = BATCH,
        contenders: Callable[[Shape], dict[str, Make]] = nets.contenders) -> dict[str, Any]:
    """Rounds of at least `seconds` per job; the peaks are measured anew in each, between the steps."""
    peaks = timing.peaks([(batch, shape[1]) for shape, batch in shapes.items()])
    result: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "shapes": {},
                              "peaks": {kind: {"of": name} for kind, (name, _) in peaks.items()}}
    rates: dict[str, list[float]] = {kind: [] for kind in peaks}
    for shape, batch in shapes.items():
        found = measure(shape, batch, contenders(shape), peaks, rounds, seconds, rates)
        result["shapes"]["x".join(map(str, shape))] = {"batch": batch, **found}
    for kind, measured in rates.items():
        result["peaks"][kind]["gflops"] = median(measured) / 1e9
    return result


def measure(shape: Shape, batch: int, makes: dict[str, Make], peaks: dict[str, tuple[str, timing.Job]],
            rounds: int, seconds: float, rates: dict[str, list[float]]) -> dict[str, Any]:
    sched, jobs, work, sizes = dl.cosine(1000), {}, {}, {}
    data = torch.rand(max(batch, IMAGES), *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for name, make in makes.items():
        torch.manual_seed(0)
        net = make()
        config = dl.TrainConfig(steps=10**9, batch=batch, log_every=1, device="cpu")     # a report a step
        trainer = dl.Trainer(net, sched, data, config)
        jobs[f"training: {name}"] = partial(next, trainer.run())
        jobs[f"sampling: {name}"] = partial(next, walks(trainer.ema, sched, data[:IMAGES], config.target))
        sizes[name] = sum(p.numel() for p in net.parameters())
    work = {job: timing.flops(step) for job, step in jobs.items()}
    for kind, (_, job) in peaks.items():
        jobs[kind], work[kind] = job, timing.flops(job)
    times = timing.interleaved(jobs, rounds, seconds, f"{shape} batch {batch}")
    for kind in peaks:
        rates[kind] += [work[kind] / t for t in times[kind]]
    return {"networks": {name: {"parameters": sizes[name]} | describe(name, times, work, batch)
                         for name in makes}}


def walks(net: nn.Module, sched: dl.Schedule, x: Tensor, target: str) -> Iterator[dl.State]:
    """One walk of the sampler after another."""
    while True:
        yield from dl.ancestral(net, sched, x, target=target)


def describe(name: str, times: timing.Times, work: dict[str, int], batch: int) -> dict[str, Any]:
    """Of each kind of step: images per second, ours over this one's time, and the share of the peak."""
    found: dict[str, Any] = {}
    for kind, images in (("training", batch), ("sampling", IMAGES)):
        job = f"{kind}: {name}"
        conv = timing.ratio(times, "convolution", job) * work[job] / work["convolution"]
        found[kind] = {
            "images_per_second": images / median(times[job]), "ms": 1e3 * median(times[job]),
            "ours_over_this": timing.ratio(times, f"{kind}: {OURS}", job),
            "gflop": work[job] / 1e9, "share_of_conv_peak": conv}
    return found
