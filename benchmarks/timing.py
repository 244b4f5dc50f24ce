"""Times on a machine that others share: rounds in turn, ratios within a round, medians over the rounds."""
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks import ROOT

Job = Callable[[], object]
Times = dict[str, list[float]]                   # seconds per call, one entry a round
WIDTHS, FORMATS = (32, 64, 128), {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def interleaved(jobs: dict[str, Job], rounds: int, seconds: float, say: str) -> Times:
    """Seconds per call. In each round every job is called for at least `seconds`; who begins goes round."""
    names, calls, times = list(jobs), {}, {name: [] for name in jobs}
    for name, job in jobs.items():
        job()                                                           # the first call allocates
        calls[name] = max(1, math.ceil(seconds / clock(job, 1)))
    for i in tqdm(range(rounds), desc=say, unit="round", leave=False, disable=None):
        for name in names[i % len(names):] + names[:i % len(names)]:
            times[name].append(clock(jobs[name], calls[name]))
    return times


def clock(job: Job, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        job()
    return (time.perf_counter() - start) / calls


def elsewhere(setup: str, **env: str) -> Iterator[None]:
    """Calls of `step()`, which `setup` defines, in a process of their own with these variables."""
    code = f"import sys\n{setup}\nfor line in sys.stdin:\n    step()\n    print(flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=os.environ | env, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        while True:
            print(file=process.stdin, flush=True)
            if not process.stdout.readline():
                raise RuntimeError("the process beside this one ended")
            yield


def ratio(times: Times, a: str, b: str) -> float:
    """How many times longer a takes than b."""
    return median(x / y for x, y in zip(times[a], times[b], strict=True))


def flops(job: Job) -> int:
    """Floating-point operations of one call, those of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        job()
    return counter.get_total_flops()


def convolution(batch: int, size: int, width: int, layout: str) -> Job:
    """3 x 3, [batch, width, size, size] to as many, forward and backward to input and weight."""
    x = torch.randn(batch, width, size, size).to(memory_format=FORMATS[layout]).requires_grad_()
    w = torch.randn(width, width, 3, 3).to(memory_format=FORMATS[layout]).requires_grad_()
    back = torch.randn(batch, width, size, size).to(memory_format=FORMATS[layout])
    return lambda: torch.autograd.grad(F.conv2d(x, w, padding=1), (x, w), back)


def product(n: int) -> Job:
    a, b = torch.randn(2, n, n)
    return partial(torch.mm, a, b)


def convolutions(batch: int, size: int) -> Iterator[tuple[str, Job]]:
    """At full size and at half, where a network for such images does most of its work."""
    for s in (size, size // 2):
        for width in WIDTHS:
            for layout in FORMATS:
                yield f"[{batch}, {width}, {s}, {s}] {layout}", convolution(batch, s, width, layout)


def peaks(shapes: list[tuple[int, int]], seconds: float = 0.1) -> dict[str, tuple[str, Job]]:
    """The fastest convolution over all (batch, size), and the fastest matrix product."""
    candidates = {"convolution": [c for batch, size in shapes for c in convolutions(batch, size)],
                  "matrix product": [(f"{n} x {n}", product(n)) for n in (512, 1024, 2048)]}
    best = {}
    for kind, jobs in candidates.items():
        rates = []
        for name, job in tqdm(jobs, desc=f"peak: {kind}", leave=False, disable=None):
            rates.append(flops(job) / min(interleaved({name: job}, 3, seconds, name)[name]))
        best[kind] = jobs[rates.index(max(rates))]
    return best
