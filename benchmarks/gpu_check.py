"""Is the device right? Everything against float64 on the CPU, each tolerance beside its number."""
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

import ddpm_lite as dl
from benchmarks.gpu_parts import Bench, Row, network, pictures, tf32, train
from ddpm_lite import checkpoint
from ddpm_lite.batches import draw

STEPS = 4


def gap(got: Tensor, expected: Tensor) -> float:
    """The largest difference, over the largest number expected."""
    got, expected = got.detach().cpu().double(), expected.detach().cpu().double()
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


def distance(got: Tensor, expected: Tensor) -> float:
    """The Euclidean norm of the difference, over that of what was expected."""
    got, expected = got.detach().cpu().double(), expected.detach().cpu().double()
    return float((got - expected).norm() / expected.norm())


def schedule(bench: Bench) -> Iterator[Row]:
    """The tables against sums of logarithms in another precision, and as they arrive on the device."""
    for name, make in dl.SCHEDULES.items():
        sched = make(T=1000)
        logs = [math.log1p(-beta) for beta in sched.beta.tolist()]
        expected = torch.tensor([math.fsum(logs[: t + 1]) for t in range(1001)], dtype=torch.float64).exp()
        worst = float((sched.alpha_bar / expected - 1).abs().max())
        yield Row(f"{name}: alpha_bar, relative error, float64", worst, limit=1e-12)
        x = torch.ones(1001, 1, device=bench.device)
        mean = dl.q_xt(sched, x, torch.arange(1001)).mean
        yield Row(f"{name}: sqrt(alpha_bar) on the device, float32",
                  gap(mean.flatten(), expected.sqrt()), limit=2e-7)


def process(bench: Bench) -> Iterator[Row]:
    """q(x_t | x_0), its posterior and L_simple, at every time, in float32."""
    sched, x0 = dl.linear(1000), pictures(1000)[..., :8, :8]
    t, eps = torch.arange(1, 1001), torch.randn(x0.shape, generator=torch.Generator().manual_seed(2))
    here = [v.to(bench.device) for v in (x0, eps)]
    xt, xt64 = dl.q_xt(sched, here[0], t).sample(here[1]), dl.q_xt(sched, x0.double(), t).sample(eps.double())
    yield Row("q_xt: samples at all 1000 times, float32", gap(xt, xt64), limit=5e-7)
    for part in ("mean", "var"):
        got = getattr(dl.q_posterior(sched, here[0], xt, t), part)
        expected = getattr(dl.q_posterior(sched, x0.double(), xt64, t), part)
        yield Row(f"q_posterior: {part}, float32", gap(got, expected), limit=1e-6)
    exact = dl.exact.gaussian(sched, 0.2, 0.3)
    for target in dl.TARGETS:
        loss = dl.simple_loss(exact, sched, here[0], t, here[1], target)
        expected = dl.simple_loss(exact, sched, x0.double(), t, eps.double(), target)
        yield Row(f"simple_loss: {target}, float32", gap(loss, expected), limit=2e-6)


def samplers(bench: Bench) -> Iterator[Row]:
    """Each sampler with an exact denoiser, whole walks, the same noise on the device and in float64."""
    sched, n, many = dl.linear(1000), 2 if bench.small else 64, 100 if bench.small else 1000
    exact = dl.exact.gaussian(sched, 0.2, 0.3)
    x = torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    drawn = dl.seeded_noise(7)(x.to(bench.device)).cpu() - dl.seeded_noise(7)(x)
    yield Row("seeded_noise: device against CPU", float(drawn.abs().max()), limit=0)
    walks: dict[str, Callable[..., object]] = {
        f"ancestral, {many} steps": lambda x: dl.ancestral(exact, sched, x, many, noise=dl.seeded_noise(5)),
        "ddim, 50 steps": lambda x: dl.ddim(exact, sched, x, 50),
        "ddim, 50 steps, eta 1": lambda x: dl.ddim(exact, sched, x, 50, 1.0, noise=dl.seeded_noise(5)),
        "dpm_solver, 20 steps": lambda x: dl.dpm_solver(exact, sched, x, 20)}
    for name, walk in walks.items():
        got, expected = dl.last(walk(x.to(bench.device))).x, dl.last(walk(x.double())).x
        yield Row(f"{name}: last x, float32", gap(got, expected), limit=2e-5)


def evaluate(net: dl.UNet, device: torch.device | str, dtype: torch.dtype,
             bf16: bool) -> tuple[Tensor, Tensor]:
    """The network's output and all gradients of a squared error, in channels_last."""
    wanted = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(4)).to(device, dtype)
    x = pictures(2).to(device, dtype, memory_format=torch.channels_last)
    t = torch.tensor([3, 700], device=device)
    net.to(device, dtype, memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        out = net(x, t)
    out.to(dtype).sub(wanted).square().mean().backward()
    return out.detach(), torch.cat([p.grad.flatten().cpu().double() for p in net.parameters()])


@cache
def exact(config: dl.UNetConfig) -> tuple[Tensor, Tensor]:
    return evaluate(network(config).eval(), "cpu", torch.float64, False)


def unet(bench: Bench, said: str, on: bool, bf16: bool, limits: tuple[float, float]) -> Iterator[Row]:
    """The UNet on the device against the same weights in float64 on the CPU."""
    with tf32(on):
        got = evaluate(network(bench.config()).eval(), bench.device, torch.float32, bf16)
    for what, g, e, limit in zip(("output", "gradients"), got, exact(bench.config()), limits, strict=True):
        yield Row(f"UNet, {said}: {what}, relative distance", distance(g, e), limit=limit)


def unet_float32(bench: Bench) -> Iterator[Row]:
    return unet(bench, "float32", False, False, (1e-4, 2e-4))


def unet_tf32(bench: Bench) -> Iterator[Row]:
    return unet(bench, "TF32", True, False, (1e-2, 2e-2))


def unet_bfloat16(bench: Bench) -> Iterator[Row]:
    return unet(bench, "bfloat16", True, True, (5e-2, 1e-1))


def trainer(bench: Bench) -> Iterator[Row]:
    """The first steps in bfloat16 on the device against float32 on the CPU: draws, gradients, rates."""
    losses, moments = [], []
    for device, precision in ((bench.device.type, "bf16"), ("cpu", "float32")):
        config = dl.UNetConfig(channels=3, width=8 if bench.small else 32, levels=(1, 2), blocks=1)
        one = train(bench, network(config), 8, device, log_every=1, steps=STEPS, precision=precision)
        steps = one.run()
        losses.append([next(steps).loss])
        moments.append(torch.cat([one.optimizer.state[p]["exp_avg"].flatten().cpu().double()
                                  for p in one.net.parameters()]))
        losses[-1] += [step.loss for step in steps]
    yield Row("gradient of the first step, relative distance to the CPU's", distance(*moments), limit=5e-2)
    yield Row(f"loss of the first {STEPS} steps, relative to the CPU's", gap(*map(torch.tensor, losses)),
              limit=1e-2)


def checkpointed(bench: Bench) -> Iterator[Row]:
    """A run saved on the device loads on the CPU, samples alike, and goes on there."""
    config = dl.UNetConfig(channels=3, width=8, levels=(1, 2), blocks=1, dropout=0.1)
    one = train(bench, network(config), 8, steps=3)
    list(one.run())
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(folder, one)
        run = checkpoint.load(folder)
        two = train(bench, network(config), 8, "cpu", steps=5)
        checkpoint.resume(folder, two)
    saved, resumed = one.tensors(), two.tensors()
    yield Row("weights, moments and average, resumed on the CPU",
              max(float((saved[k].cpu() - v).abs().max()) for k, v in resumed.items()), limit=0)
    x, t = pictures(4), torch.tensor([1, 30, 500, 1000])
    with torch.no_grad(), tf32(False):
        there = one.ema(x.to(bench.device), t.to(bench.device))
        yield Row("output of the averaged network, float32", gap(run.net(x, t), there), limit=1e-4)
    losses = [step.loss for step in two.run()]
    yield Row("loss after two more steps on the CPU", losses[-1], limit=10)


def no_waiting(bench: Bench) -> Iterator[Row]:
    """Steps between two reports, with every synchronisation made an error."""
    one = train(bench, network(bench.config()), 8 if bench.small else 128)
    one.net.train()
    yield from watched(bench, "training", one._advance)
    b, dims = one.config.batch, (3, 32, 32)
    drawn = bench.seconds(lambda: draw(0, 9, b, 50_000, dims, 1000, 0.1, slice(0, b)), 9)
    yield Row("training: of that, drawing on the CPU", 1e3 * drawn, "ms")


def no_waiting_labels(bench: Bench) -> Iterator[Row]:
    """The same with labels, some of them hidden."""
    one = train(bench, network(replace(bench.config(), classes=3)), 8 if bench.small else 128, labels=3)
    one.net.train()
    yield from watched(bench, "training with labels", one._advance)


def no_waiting_sampling(bench: Bench) -> Iterator[Row]:
    net, sched = network(bench.config()).eval().to(bench.device), dl.linear(1000)
    x = torch.randn(1 if bench.small else 64, 3, 32, 32, device=bench.device)
    for name, sampler in dl.SAMPLERS.items():
        yield from watched(bench, f"{name}, 5 steps", lambda run=sampler: dl.last(run(net, sched, x, 5)))
    noise = dl.seeded_noise(0)
    yield from watched(bench, "seeded noise", lambda: noise(x))


def watched(bench: Bench, name: str, work: Callable[[], object]) -> Iterator[Row]:
    """Times `work` with every synchronisation that torch sees made an error."""
    count = 1 if bench.small else 20
    for _ in range(count):
        work()                                                          # what is made once
    bench.sync()
    start = time.perf_counter()
    if bench.cuda:
        torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(count):
            work()
        ahead = time.perf_counter() - start
    finally:
        if bench.cuda:
            torch.cuda.set_sync_debug_mode("default")
    bench.sync()
    yield Row(f"{name}: time of the device and the CPU", 1e3 * (time.perf_counter() - start) / count, "ms")
    yield Row(f"{name}: until the CPU is free again", 1e3 * ahead / count, "ms")
