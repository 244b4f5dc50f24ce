"""How long the import takes, and how much memory a training: each measured in a process of its own."""
import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import ROOT
from benchmarks.labels import OURS, PEERS

IMPORTS = {
    "ddpm_lite": "import ddpm_lite",
    "ddpm_lite, every public name": "import ddpm_lite\nfor name in dir(ddpm_lite): getattr(ddpm_lite, name)",
    "diffusers": "from diffusers import DDPMScheduler, UNet2DModel",
    "denoising-diffusion-pytorch": "from denoising_diffusion_pytorch import GaussianDiffusion, Unet"}
CLOCK = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
{}
print(middle - start, time.perf_counter() - middle)
"""
TRAININGS = {"digits, batch 64": ((1, 8, 8), 64, 50), "3x32x32, batch 64": ((3, 32, 32), 64, 10)}
MB = 1e6                                         # bytes


def python(*args: str) -> list[float]:
    """The numbers that a Python process prints last."""
    done = subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a measured process failed: {done.stderr.strip().splitlines()[-1]}")
    return [float(word) for word in done.stdout.split()]


def peak() -> float:
    """The most memory this process has held so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():                                                 # ru_maxrss counts the parent's, too
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / MB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB      # macOS counts bytes


def train(name: str, network: str, steps: int) -> float:
    """Trains as a user would and returns the peak; `network` is a name of `nets.contenders`."""
    import torch

    import ddpm_lite as dl
    from benchmarks import nets

    shape, batch, _ = TRAININGS[name]
    net = nets.ours(shape) if network == OURS else nets.contenders(shape)[network]()
    data = dl.data.digits() if name.startswith("digits") else torch.rand(1000, *shape) * 2 - 1
    config = dl.TrainConfig(steps=steps, batch=batch, device="cpu")
    for _ in dl.Trainer(net, dl.cosine(1000), data, config).run():
        pass
    return peak()


def run(rounds: int = 5, networks: tuple[str, ...] = (OURS, *PEERS),
        trainings: tuple[str, ...] = tuple(TRAININGS)) -> dict[str, Any]:
    """Imports in turn, medians; the memory of each training once."""
    from tqdm import tqdm

    statements = {name: text for name, text in IMPORTS.items() if name.split(",")[0] in networks}
    bases: list[float] = []
    added: dict[str, list[float]] = {name: [] for name in statements}
    for _ in tqdm(range(rounds + 1), desc="imports", unit="round", disable=None):
        for name, statement in statements.items():
            base, more = python("-c", CLOCK.format(statement))
            bases.append(base)
            added[name].append(more)                                    # the first round warms the disk
    pairs = [(network, name) for network in networks for name in trainings]
    memory: dict[str, dict[str, float]] = {network: {} for network in networks}
    for network, name in tqdm(pairs, desc="memory", unit="training", disable=None):
        [memory[network][name]] = python("-m", "benchmarks.footprint", "--network", network,
                                         "--training", name, "--steps", str(TRAININGS[name][2]))
    return {"rounds": rounds, "import_torch_s": median(bases[len(statements):]),
            "import_added_s": {name: median(times[1:]) for name, times in added.items()}, "memory_mb": memory}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prints the peak memory of one training, in MB.")
    parser.add_argument("--network", required=True)
    parser.add_argument("--training", required=True, choices=TRAININGS)
    parser.add_argument("--steps", type=int, required=True)
    args = parser.parse_args()
    print(train(args.training, args.network, args.steps))
