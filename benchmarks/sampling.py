"""Quality against steps: one trained network, the same first noise, our samplers and those of diffusers."""
from collections.abc import Callable
from statistics import mean, median, stdev
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import ddpm_lite as dl
from benchmarks import cache, quality, recipes
from benchmarks.labels import OURS, PEERS
from benchmarks.quality import SHAPE
from ddpm_lite.cli_sample import CLIP, Evaluate

COUNTS = (5, 10, 20, 50, 100)
PEER_COUNTS = (10, 20)


def schedulers(recipe: recipes.Recipe) -> dict[str, Callable[[], Any]]:
    """diffusers' schedulers, set up for our schedule and target, x0_hat kept in range as by our `clip`."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    kind = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}[recipe.target]
    options = {"trained_betas": recipe.sched().beta[1:].numpy(), "prediction_type": kind}
    return {"diffusers DDIM": lambda: DDIMScheduler(clip_sample=True, clip_sample_range=CLIP, **options),
            "diffusers DPM-Solver++": lambda: DPMSolverMultistepScheduler(
                thresholding=True, sample_max_value=CLIP, **options)}


def drive(net: torch.nn.Module, scheduler: Any, x: Tensor, steps: int) -> Tensor:
    """diffusers' loop; its times 0..T-1 are our 1..T."""
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(net(x, torch.full((len(x),), int(t) + 1)), t, x).prev_sample
    return x.clamp(-1, 1)


def run(seconds: float = 60, n: int = Evaluate.n, draws: int = 8, longest: int = 1000,
        peers: tuple[str, ...] = PEERS) -> dict[str, Any]:
    """On our network of seed 0 of the stage `quality`."""
    makes, plans = quality.plan(peers)
    steps, recipe = quality.budgets(makes, plans, seconds)[OURS], plans[OURS][1]
    [net] = quality.network(OURS, makes[OURS], "ours", recipe, steps, 0).values()
    theirs = schedulers(recipe) if peers else {}
    walks = [(sampler, count) for sampler in dl.SAMPLERS for count in COUNTS] + [("ancestral", longest)]
    walks += [(name, count) for name in theirs for count in PEER_COUNTS]
    found: dict[str, dict[str, float]] = {}
    scatter = []
    for name, count in (bar := tqdm(walks, unit="walk", disable=None)):
        bar.set_description(f"{name}, {count} steps")

        def images(seed: int, name: str = name, count: int = count) -> Tensor:
            if name in dl.SAMPLERS:
                return quality.draw(net, recipe, n, seed, name, count)
            return drive(net, theirs[name](), dl.seeded_noise(seed)(torch.empty(n, *SHAPE)), count)

        key = {"weights": cache.digest(net), "sampler": name, "steps": count, "n": n, "draws": draws,
               "code": cache.code(True)}
        ratios = cache.numbers(key, lambda: [quality.judge(images(seed))["ratio"] for seed in range(draws)])
        found.setdefault(name, {})[str(count)] = mean(ratios)
        scatter.append(stdev(ratios))
    return {"training_steps": steps, "samples": n, "draws": draws, "longest": longest, "ratios": found,
            "scatter": median(scatter)}
