"""What `ddpm-lite sample` and `ddpm-lite evaluate` do; the comment beside an option is its help."""
import io
import json
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm
from tyro.conf import Positional

from ddpm_lite import checkpoint, metrics
from ddpm_lite.atomic import write
from ddpm_lite.data import DATASETS, LEVELS
from ddpm_lite.dist import pick_device
from ddpm_lite.files import npy_header, read_npy
from ddpm_lite.loss import bits, elbo
from ddpm_lite.prediction import choose
from ddpm_lite.sample import SAMPLERS, guide, seeded_noise, times

Images = Float[Tensor, "_ c h w"]
CLIP = 1.0                                       # of x0_hat: in what is drawn, and so in the bound
STEPS = 20                                       # enough for dpm_sde


@dataclass(frozen=True)
class Draw:
    """How images are drawn from a run."""

    folder: Positional[Path]  # Run folder, as `ddpm-lite train --out` wrote it.
    n: int = 16  # Number of images to draw.
    sampler: str = "dpm_sde"  # Sampler: dpm_sde, dpm_solver, ddim, or ancestral (DDPM's; wants more steps).
    steps: int | None = None  # Calls of the network per image, at most T; default: 20, or T if that is less.
    seed: int = 0  # Seed of the noise; the same seed, n and batch give the same images.
    label: int | None = None  # Class to draw, if the run was trained with --labels; default: any.
    guidance: float = 0.0  # Strength w of (1 + w) net(x, label) - w net(x); 0 is no guidance.
    batch: int = 256  # Images at a time; bounds the memory.
    device: str = "auto"  # Where to compute: auto (CUDA, else MPS, else CPU), cpu, cuda or mps.

    def __post_init__(self) -> None:
        for name, ok, expected in (("n", self.n >= 1, "at least 1"), ("batch", self.batch >= 1, "at least 1"),
                                   ("seed", 0 <= self.seed < 2**32, "in [0, 2^32)")):
            if not ok:
                raise ValueError(f"{name} must be {expected}, got {getattr(self, name)}")

    def images(self, run: checkpoint.Run) -> Iterator[Images]:
        """n images in [-1, 1], a batch at a time, on the CPU."""
        net, sched, config = run
        classes = net.config.classes
        if self.label is not None and not 0 <= self.label < classes:
            raise ValueError(f"label must lie in [0, {classes}), got {self.label}" if classes else
                             "label needs a run that was trained with --labels, and this one was not")
        if self.guidance and self.label is None:
            raise ValueError("guidance needs a label to guide to: add --label")
        steps = min(STEPS, sched.T) if self.steps is None else self.steps
        sampler, walk = choose("sampler", SAMPLERS, self.sampler), times(sched.T, steps)
        dims, device, noise = examples(self.folder)[1:], pick_device(self.device), seeded_noise(self.seed)
        options = {"variance": variance(run)} if self.sampler == "ancestral" else {}
        moved = net.to(device)
        called = moved if self.label is None else guide(moved, self.label, self.guidance)
        with tqdm(total=math.ceil(self.n / self.batch) * steps, unit="step", disable=None) as bar:
            for start in range(0, self.n, self.batch):
                x = noise(torch.empty(min(self.batch, self.n - start), *dims, device=device))
                for state in sampler(called, sched, x, walk, target=config.target, clip=CLIP, noise=noise,
                                     **options):
                    x = state.x
                    bar.update()
                yield x.clamp(-1, 1).cpu()


@dataclass(frozen=True)
class Sample(Draw):
    """Draw images from a trained run: float32 [n, c, h, w] in [-1, 1], as .npy and as a picture."""

    out: Path = Path("samples.npy")  # Where to write the images.
    png: Path | None = None  # Where to draw a grid of the first 100 of them.

    def run(self) -> int:
        for path in filter(None, (self.out, self.png)):                 # said now, not after the drawing
            if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
                raise ValueError(f"expected a file in a folder that can be written to, got {path}")
        if self.png and not find_spec("PIL"):
            raise ImportError("--png draws with Pillow, which is missing: pip install pillow")
        run, first = checkpoint.load(self.folder), list[Tensor]()       # the first images make the grid

        def content() -> Iterator[bytes]:
            for images in self.images(run):
                if not first:
                    yield npy_header(self.n, *images.shape[1:])
                first.append(images[: 100 - sum(map(len, first))])
                yield images.numpy().tobytes()

        write(self.out, content())
        if self.png:
            write(self.png, [grid(torch.cat(first))])
        print(f"{self.n} images: {self.out}" + (f", a grid: {self.png}" if self.png else ""), file=sys.stderr)
        return 0


@dataclass(frozen=True)
class Evaluate(Draw):
    """Compare samples with held-out data: Frechet distance, coverage, nearest neighbours, bits per dimension.

    Frechet distance: smaller is better, and 1x is what real images of the train split get. Coverage: share of
    the test images that have a sample nearby. Copies: share of samples that repeat a training image.
    """

    n: int = 1000  # Number of images to draw, if --samples isn't given.
    samples: Path | None = None  # Images to judge, as `ddpm-lite sample` wrote them; default: draws its own.
    held_out: int = 500  # Test images for the bound in bits per dimension; 0 skips it.
    draws: int = 50  # Times t drawn per image for the bound, at most T - 1; fewer are quicker and noisier.
    json: bool = False  # Print JSON, and nothing else, on stdout.

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.held_out < 0 or self.held_out == 1:                     # one alone has no standard error
            raise ValueError(f"held_out must be 0 or at least 2, got {self.held_out}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1, got {self.draws}")

    def run(self) -> int:
        run = checkpoint.load(self.folder)
        if run.config.data not in DATASETS:
            raise ValueError("evaluate compares with a test split and needs labels, which "
                             f"{', '.join(DATASETS)} have; this run was trained on {run.config.data!r}")
        load = DATASETS[run.config.data]
        train, labels = load("train", labels=True)
        test = load("test")
        samples = torch.cat(list(self.images(run))) if self.samples is None else read_npy(self.samples)
        result: dict[str, Any] = metrics.evaluate(samples, train, test, labels)._asdict()
        result = {"run": str(self.folder), "data": run.config.data, "samples": len(samples)} | result
        if self.held_out > 0:
            result |= self.bits(run, test[:self.held_out])
        print(json.dumps(result) if self.json else table(result))
        return 0

    def bits(self, run: checkpoint.Run, test: Images) -> dict[str, Any]:
        """The bound in bits per dimension, its standard error over the images, and what it was taken from."""
        net, sched, config = run
        device, draws = pick_device(self.device), min(self.draws, sched.T - 1)
        generator, levels, parts = torch.Generator().manual_seed(self.seed), LEVELS[config.data], []
        for x0 in tqdm(test.split(self.batch), unit="batch", disable=None):
            cost = elbo(net.to(device), sched, x0.to(device), config.target, variance=variance(run),
                        clip=CLIP, levels=levels, draws=draws, generator=generator)
            parts.append(bits(cost.total, x0[0].numel()).cpu())
        each = torch.cat(parts).double()
        return {"bits_per_dim": each.mean().item(), "bits_error": (each.std() / len(each) ** 0.5).item(),
                "held_out": len(each), "draws": draws}


def examples(folder: Path) -> list[int]:
    """The shape [n, c, h, w] of the data that the run was trained on."""
    return checkpoint.read_config(folder)["examples"]


def variance(run: checkpoint.Run) -> str:
    return "learned" if run.net.config.learned_variance else "beta_tilde"


def grid(images: Images) -> bytes:
    """A PNG of the images in rows, as near to a square as can be, small ones enlarged."""
    from PIL import Image

    n, c, h, w = images.shape
    columns, zoom = math.ceil(n**0.5), max(1, 32 // h)
    tiles = math.ceil(n / columns) * columns
    page = torch.full((tiles, c, h * zoom + 2, w * zoom + 2), 128, dtype=torch.uint8)
    pixels = ((images + 1) * 127.5).round().byte()
    page[:n, :, 1:-1, 1:-1] = pixels.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)
    page = rearrange(page, "(rows columns) c h w -> (rows h) (columns w) c", columns=columns)
    file = io.BytesIO()
    Image.fromarray(page.squeeze(2).numpy()).save(file, "PNG")
    return file.getvalue()


def table(result: dict[str, Any]) -> str:
    lines = {
        "samples": "{samples} of {run}, compared with {data}",
        "Frechet distance": "{frechet:.3f}  ({ratio:.2f}x the {floor:.3f} of real images)",
        "coverage": "{coverage:.3f}  (real images: {real_coverage:.3f})",
        "copies": "{copies:.4f}  (share that repeat a training image)",
        "nearest neighbour": "{neighbour:.3f}  (distance to the training images; test images: 1)",
        "per class": "{classes}",
    }
    if "bits_per_dim" in result:
        lines["bits per dimension"] = ("at most {bits_per_dim:.3f} +- {bits_error:.3f}  "
                                       "({held_out} test images, {draws} times each)")
    return "\n".join(f"{name:<20}{text.format(**result)}" for name, text in lines.items())
