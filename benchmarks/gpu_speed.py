"""How fast is the device, and how much of it do training and sampling use? Nothing from a datasheet."""
import gc
import platform
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import ddpm_lite as dl
from benchmarks.gpu_parts import Bench, LeftOut, Row, network, tf32, train
from ddpm_lite.train import Trainer

SHAPES = [(128, 128, 32), (128, 256, 16), (128, 256, 8), (512, 128, 32), (512, 256, 16)]    # batch, c, size


def facts(bench: Bench) -> Iterator[Row]:
    said = {"python": platform.python_version(), "torch": torch.__version__}
    if bench.cuda:
        p = torch.cuda.get_device_properties(bench.device)
        said |= {"device": p.name, "capability": f"{p.major}.{p.minor}", "CUDA": torch.version.cuda or "",
                 "cuDNN": str(torch.backends.cudnn.version())}
        yield Row("memory", p.total_memory / 2**30, "GiB")
        yield Row("multiprocessors", p.multi_processor_count)
    else:
        yield Row("threads", torch.get_num_threads())
    for name, value in said.items():
        yield Row(name, value)


def peaks(bench: Bench) -> Iterator[Row]:
    """Matrix products, convolutions forward and backward, and copies, on random numbers."""
    n = 256 if bench.small else 8192
    for name, dtype in (("bfloat16", torch.bfloat16), ("TF32", torch.float32)):
        a, b = torch.randn(2, n, n, device=bench.device, dtype=dtype)
        with tf32(True):
            rate = 2 * n**3 / bench.seconds(partial(torch.mm, a, b), 20)
        if name == "bfloat16":
            bench.known["share of the matrix product's rate"] = rate
        yield Row(f"matrix product {n} x {n}, {name}", rate / 1e12, "TFLOP/s")
    for batch, width, size in [(2, 8, 8)] if bench.small else SHAPES:
        x = torch.randn(batch, width, size, size, device=bench.device, dtype=torch.bfloat16)
        x = x.to(memory_format=torch.channels_last).requires_grad_()
        w = torch.randn(width, width, 3, 3, device=bench.device, dtype=torch.bfloat16) / (9 * width) ** 0.5
        w = w.to(memory_format=torch.channels_last).requires_grad_()
        back = torch.randn_like(x)
        work = partial(_convolve, x, w, back)
        rate = 3 * 2 * 9 * batch * size**2 * width**2 / bench.seconds(work, 10)
        best = "share of the best convolution's rate"
        bench.known[best] = max(bench.known.get(best, 0), rate)
        yield Row(f"convolution 3 x 3, [{batch}, {width}, {size}, {size}], both ways", rate / 1e12, "TFLOP/s")
    count = 2**16 if bench.small else 2**28
    a, b = torch.randn(2, count, device=bench.device)
    yield Row("memory, read and written", 8 * count / bench.seconds(partial(b.copy_, a), 20) / 1e9, "GB/s")


def _convolve(x: Tensor, w: Tensor, back: Tensor) -> None:
    torch.autograd.grad(F.conv2d(x, w, padding=1), (x, w), back)


class Peer(nn.Module):
    """diffusers' UNet2DModel with the paper's sizes, 35.7 M parameters, called as ours is."""

    def __init__(self, small: bool) -> None:
        super().__init__()
        try:
            from diffusers import UNet2DModel
        except ImportError as error:
            raise LeftOut(f"diffusers isn't there: {error}") from error
        down, up = ["DownBlock2D"] * 4, ["UpBlock2D"] * 4
        down[1], up[2] = "AttnDownBlock2D", "AttnUpBlock2D"
        widths = (32, 32, 32, 32) if small else (128, 256, 256, 256)
        self.net = UNet2DModel(sample_size=32, in_channels=3, out_channels=3, layers_per_block=2, dropout=0.1,
                               block_out_channels=widths, down_block_types=down, up_block_types=up)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(x, t, return_dict=False)[0]


def size(bench: Bench, net: nn.Module) -> tuple[int, float]:
    """Parameters; multiplications and additions of an image's way forward and back, counted."""
    net, x = net.to(bench.device).train(), torch.randn(2, 3, 32, 32, device=bench.device)
    with FlopCounterMode(display=False) as counter:
        net(x, torch.tensor([1, 2], device=bench.device)).square().mean().backward()
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() / 2


def timed(bench: Bench, name: str, make: Callable[[], nn.Module], batches: list[int],
          prepare: Callable[[Trainer], None] = lambda one: None) -> Iterator[Row]:
    """Images per second of the trainer with this network, its share of the peak, its memory; per batch."""
    count, cost = size(bench, make())
    yield Row(f"{name}: parameters", count / 1e6, "M")
    yield Row(f"{name}: an image, forward and backward", cost / 1e9, "GFLOP")
    for batch in [8] if bench.small else batches:
        bench.in_time()
        gc.collect()
        if bench.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(bench.device)
        n = 1 if bench.small else max(5, 4096 // batch)
        one = train(bench, make(), batch, log_every=n)
        prepare(one)
        steps, took, losses = one.run(), [], []
        first = time.perf_counter()
        for i in range(2 if bench.small else 5):                        # each report waits for the device
            losses.append(next(steps).loss)
            took.append(time.perf_counter() - first)
            first = time.perf_counter()
            if i == 0 and not bench.small:
                yield Row(f"{name}, batch {batch}: first {n} steps, with what is made once", took[0], "s")
        rate = n * batch / median(took[1:])
        yield Row(f"{name}, batch {batch}: training", rate, "images/s")
        for what, peak in bench.known.items():
            if what.startswith("share"):
                yield Row(f"{name}, batch {batch}: {what}", 100 * rate * cost / peak, "%")
        memory = (torch.cuda.max_memory_allocated(bench.device) / 2**30 if bench.cuda
                  else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
        yield Row(f"{name}, batch {batch}: peak memory", memory, "GiB")
        eager = bench.known.setdefault(f"loss of {name.split(',')[0]}, batch {batch}", losses[-1])
        if "eager" != name.split(", ")[-1]:                             # other kernels, other dropout masks
            yield Row(f"{name}, batch {batch}: loss against eager", abs(losses[-1] / eager - 1), limit=0.1)
        del one, steps


def training(bench: Bench) -> Iterator[Row]:
    make = partial(network, bench.config())
    yield from timed(bench, "ours, eager", make, [128, 256, 512, 1024])
    yield from timed(bench, "ours, eager, NCHW", make, [128, 512], plain)


def training_peer(bench: Bench) -> Iterator[Row]:
    return timed(bench, "diffusers, eager", partial(Peer, bench.small), [128, 512])


def training_compiled(bench: Bench) -> Iterator[Row]:
    return timed(bench, "ours, compiled", partial(network, bench.config()), [128, 512],
                 partial(compiled, bench))


def training_graphs(bench: Bench) -> Iterator[Row]:
    if not bench.cuda:
        raise LeftOut("CUDA graphs need CUDA")
    return timed(bench, "ours, compiled with CUDA graphs", partial(network, bench.config()), [128, 512],
                 partial(compiled, bench, mode="reduce-overhead"))


def training_peer_compiled(bench: Bench) -> Iterator[Row]:
    if bench.small:
        raise LeftOut("too long for a small run")
    return timed(bench, "diffusers, compiled", partial(Peer, bench.small), [128], partial(compiled, bench))


def compiled(bench: Bench, one: Trainer, **options: str) -> None:
    """As `--compile` does; without a GPU only the tracing is tested, which needs no C++ compiler."""
    torch._dynamo.reset()
    one.call.compile(dynamic=False, **options if bench.cuda else {"backend": "eager"})


def plain(one: Trainer) -> None:
    """The other memory format, to see which one this device likes."""
    one.format = torch.contiguous_format
    one.net.to(memory_format=torch.contiguous_format)


def sampling(bench: Bench) -> Iterator[Row]:
    """Images per second of 20 steps of DPM-Solver++, and of one step, as `ddpm-lite sample` takes them."""
    net = network(bench.config()).eval().to(bench.device, memory_format=torch.channels_last)
    sched, batch, steps = dl.linear(1000), 2 if bench.small else 256, 2 if bench.small else 20
    x = torch.randn(batch, 3, 32, 32, device=bench.device)

    def bf16(x: Tensor, t: Tensor) -> Tensor:
        with torch.autocast(bench.device.type, torch.bfloat16):
            return net(x, t).float()

    for name, called in (("TF32", net), ("bfloat16", bf16)):
        def walk(called: Callable[..., Tensor] = called) -> object:
            return dl.last(dl.dpm_solver(called, sched, x, steps, clip=1.0))

        with tf32(True):
            took = bench.seconds(walk, 3)
            alone = bench.seconds(partial(_forward, called, x), 10)
        yield Row(f"{name}, batch {batch}: {steps} steps of dpm_solver", batch / took, "images/s")
        yield Row(f"{name}: a step over one call of the network", took / steps / alone, "x")


@torch.no_grad()
def _forward(net: Callable[..., Tensor], x: Tensor) -> Tensor:
    return net(x, torch.full((len(x),), 500, dtype=torch.int64, device=x.device))
