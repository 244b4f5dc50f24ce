"""What our choices pay: the time of a training step made otherwise, and what as many images teach then."""
from collections.abc import Callable, Iterator
from functools import partial
from statistics import mean
from typing import Any
from unittest.mock import patch

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import ddpm_lite as dl
from benchmarks import nets, quality, recipes, timing
from benchmarks.labels import OURS
from benchmarks.nets import Shape
from benchmarks.recipes import Averages, Recipe
from ddpm_lite import batches
from ddpm_lite.data import digits
from ddpm_lite.models.unet import Attention

SHAPES: tuple[Shape, ...] = (1, 8, 8), (1, 28, 28)
BATCH = 64
# What is done otherwise, and what one expects of it.
STEPS = {
    "one thread": "twice the time on two cores",
    "pixels after channels (NCHW)": "slower: each convolution turns them round",
    "AdamW, a parameter at a time": "slower: hundreds of small calls",
    "images from a DataLoader": "slower: 64 Python calls a batch",
    "freed memory handed back": "slower: the system hands it out page by page",
    "bfloat16 inside (autocast)": "faster, if the processor multiplies them faster",
    "compiled (torch.compile)": "a little faster, after minutes",
    "no attention": "a little faster: it works at half the size alone",
    "attention at full size, too": "slower, most at 28 x 28: the square of the pixels",
    "patches of 2 x 2 as channels": "a quarter of the pixels, about a quarter of the time",
}
LEARNED = {
    OURS: "",
    "times drawn one by one": "a noisier gradient, so a higher loss",
    "linear schedule": "worse at 8 x 8: most of its times are nearly pure noise",
    "no average (EMA 0)": "much worse samples",
    "EMA 0.98": "a noisier average",
    "EMA 0.999": "old weights in it",
    "no attention": "a little worse",
    "attention at full size, too": "no better: a digit is small",
}


class Attending(nn.Module):
    """Blocks, and attention after them."""

    def __init__(self, blocks: nn.Module, channels: int) -> None:
        super().__init__()
        self.blocks, self.attention = blocks, Attention(channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.attention(self.blocks(x, emb))


class Patched(nn.Module):
    """A network that sees squares of 2 x 2 pixels as channels."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.net = dl.UNet(dl.UNetConfig(channels=4 * shape[0]))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        small = rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=2, q=2)
        return rearrange(self.net(small, t), "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)


class OneByOne(torch.optim.AdamW):
    """AdamW that takes a parameter after the other; only the fused one asks for `found_inf`."""

    def __init__(self, params: Iterator[nn.Parameter]) -> None:
        super().__init__(params, foreach=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "found_inf":
            super().__setattr__(name, value)


def network(what: str, shape: Shape) -> nn.Module:
    if what.startswith("patches"):
        return Patched(shape)
    net = nets.ours(shape)
    if what == "no attention":
        net.middle.attention = nn.Identity()                            # type: ignore[assignment]
    if what.startswith("attention"):
        for level in (*net.down, *net.up):
            width = level.blocks[-1].second[-1].out_channels
            level.blocks = Attending(level.blocks, width)
    return net


def job(what: str, shape: Shape) -> timing.Job:
    """A training step, made so."""
    if what.startswith("freed"):
        return beside(shape, MALLOC_ARENA_TEST="8")                     # the default, but a setting
    data = torch.rand(512, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    config = dl.TrainConfig(steps=10**9, batch=BATCH, log_every=1, device="cpu",
                            precision="bf16" if what.startswith("bfloat16") else "auto",
                            compile=what.startswith("compiled"))
    torch.compiler.reset()                                              # what was compiled for other shapes
    torch.manual_seed(0)
    trainer = dl.Trainer(network(what, shape), dl.cosine(1000), data, config)
    if what.startswith("pixels"):
        trainer.format = torch.contiguous_format
        trainer.net.to(memory_format=trainer.format)                    # type: ignore[call-overload]
    if what.startswith("AdamW"):
        trainer.optimizer = OneByOne(trainer.net.parameters())
    step: timing.Job = partial(next, trainer.run())
    if what.startswith("images"):
        loader = endless(DataLoader(TensorDataset(data), BATCH, shuffle=True))
        return lambda: (next(loader), step())
    return alone(step) if what == "one thread" else step


def beside(shape: Shape, **env: str) -> timing.Job:
    """Our step in a process of its own, whose memory nobody else has used."""
    return partial(next, timing.elsewhere(
        f"from benchmarks.choices import job; step = job({OURS!r}, {shape})", **env))


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def alone(step: timing.Job) -> timing.Job:
    def run() -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            step()
        finally:
            torch.set_num_threads(threads)
    return run


def times(shape: Shape, rounds: int, seconds: float) -> dict[str, float]:
    """Each step's time over ours."""
    names = [name for name in STEPS if shape[1] >= 16 or not name.startswith("patches")]
    twin = f"{OURS} in a process of its own"
    jobs = {name: job(name, shape) for name in (OURS, *names)} | {twin: beside(shape)}
    found = timing.interleaved(jobs, rounds, seconds, f"{shape} batch {BATCH}")
    return {name: timing.ratio(found, name, twin if name.startswith("freed") else OURS) for name in names}


def one_by_one(batch: int, T: int, g: torch.Generator) -> Tensor:
    return torch.randint(1, T + 1, (batch,), generator=g)


def recipe(what: str) -> Recipe:
    if what == "linear schedule":
        return recipes.ours(schedule="linear")
    if "EMA" in what:
        return recipes.ours(ema=float(what.split("EMA ")[1].strip(")")))
    ours = recipes.ours()
    if not what.startswith("times"):
        return ours

    def train(net: nn.Module, data: Tensor, steps: int, seed: int) -> Iterator[Averages | None]:
        with patch.object(batches, "stratified", one_by_one):
            yield from ours.train(net, data, steps, seed)

    return ours._replace(train=train)


def held_out(net: nn.Module, sched: dl.Schedule, draws: int = 4) -> float:
    """The loss on digits that nobody trained on, the same noise for every network."""
    x0, g = digits("test"), torch.Generator().manual_seed(0)
    losses = []
    for _ in range(draws):
        t = batches.stratified(len(x0), sched.T, g)
        losses.append(dl.simple_loss(net, sched, x0, t, torch.randn(x0.shape, generator=g)).mean().item())
    return mean(losses)


def learned(what: str, steps: int, seeds: int, n: int) -> dict[str, list[float]]:
    """After as many images: the loss held out, and the distance over that of real images; one a seed."""
    make: Callable[[], nn.Module] = partial(network, what, (1, 8, 8))
    way, found = recipe(what), {"loss": [], "distance": []}             # type: dict[str, list[float]]
    for seed in range(seeds):
        [net] = quality.network(OURS, make, f"choice: {what}", way, steps, seed).values()
        found["loss"].append(held_out(net, way.sched()))
        found["distance"].append(mean(one["ratio"] for one in quality.score(net, way, n, 2)))
    return found


def run(rounds: int = 9, seconds: float = 0.3, steps: int = 740, seeds: int = 2, n: int = 1000
        ) -> dict[str, Any]:
    return {"batch": BATCH, "steps": steps, "samples": n, "expected": {"step": STEPS, "learned": LEARNED},
            "step": {"x".join(map(str, shape)): times(shape, rounds, seconds) for shape in SHAPES},
            "learned": {what: learned(what, steps, seeds, n) for what in LEARNED}}
