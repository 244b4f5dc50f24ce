"""How good are digits after equal seconds of training? Each network gets as many steps as fit.

The steps of all networks are timed in turn, on the same quiet or busy machine, and the lower quartile counts;
so what else runs later makes no network worse. Whatever is done is kept in build/bench, and a bench that was
killed goes on where it was.
"""
from functools import partial
from statistics import mean, quantiles
from typing import Any

import torch
from torch import Tensor, nn

import ddpm_lite as dl
from benchmarks import cache, nets, recipes, timing
from benchmarks.labels import OURS, PEERS
from benchmarks.nets import Make
from benchmarks.recipes import Recipe
from ddpm_lite.cli_sample import CLIP, STEPS, Draw, Evaluate
from ddpm_lite.data import digits
from ddpm_lite.metrics import evaluate
from ddpm_lite.sample import SAMPLERS

RATES, DECAYS = (5e-4, 1e-3, 2e-3, 4e-3), (0.95, 0.98, 0.995)            # what peers may choose from
SHAPE = (1, 8, 8)


def draw(net: nn.Module, recipe: Recipe, n: int, seed: int, sampler: str = Draw.sampler,
         steps: int = STEPS) -> Tensor:
    """n digits in [-1, 1], as `ddpm-lite sample` draws them; a seed draws the same first noise, whatever the
    network, sampler and steps."""
    noise, images = dl.seeded_noise(seed), []
    for x in noise(torch.empty(n, *SHAPE)).split(Draw.batch):
        states = SAMPLERS[sampler](net, recipe.sched(), x, steps, target=recipe.target, clip=CLIP,
                                   noise=noise)
        images.append(dl.last(states).x.clamp(-1, 1))
    return torch.cat(images)


def judge(images: Tensor) -> dict[str, Any]:
    train, labels = digits("train", labels=True)
    return evaluate(images, train, digits("test"), labels)._asdict()


def network(name: str, make: Make, label: str, recipe: Recipe, steps: int, seed: int) -> recipes.Averages:
    """Trained now or before."""
    key = {"net": repr(make()), "recipe": label, "steps": steps, "seed": seed,
           "schedule": recipe.sched().beta.sum().item(), "code": cache.code(name == OURS)}
    say = f"{name}, {label}, seed {seed}"
    return cache.networks(key, make, lambda: recipes.trained(make, recipe, digits(), steps, seed, say))


def score(net: nn.Module, recipe: Recipe, n: int, draws: int) -> list[dict[str, Any]]:
    """The evaluation of `draws` sets of n samples, each from its own noise."""
    key = {"weights": cache.digest(net), "n": n, "draws": draws, "code": cache.code(True),
           "sampler": Draw.sampler, "steps": STEPS, "target": recipe.target,
           "schedule": recipe.sched().beta.sum().item()}
    return cache.numbers(key, lambda: [judge(draw(net, recipe, n, seed)) for seed in range(draws)])


def budgets(makes: dict[str, Make], plans: dict[str, tuple[str, Recipe]], seconds: float) -> dict[str, int]:
    """How many steps of each plan (network, recipe) take `seconds`."""
    jobs: dict[str, timing.Job] = {}
    for label, (name, recipe) in plans.items():
        jobs[label] = partial(next, recipe.train(makes[name](), digits(), 10**9, 0))
    key = {"nets": [repr(make()) for make in makes.values()], "plans": list(plans), "code": cache.code(True)}
    rounds = 12 if seconds >= 30 else 3
    times = cache.numbers({**key, "rounds": rounds}, lambda: timing.interleaved(jobs, rounds, 0.5, "a step"))
    return {label: max(1, round(seconds / quantiles(t, n=4)[0])) for label, t in times.items()}


def plan(peers: tuple[str, ...]) -> tuple[dict[str, Make], dict[str, tuple[str, Recipe]]]:
    """The networks, and what is trained: a label -> network and recipe."""
    makes: dict[str, Make] = {OURS: partial(nets.ours, SHAPE)}
    if peers:
        makes |= {name: make for name, make in nets.contenders(SHAPE).items() if name in peers}
    plans = {name: (name, recipes.ours()) for name in makes}
    return makes, plans | {f"{name}, own recipe": (name, recipes.OWN[name]()) for name in peers}


def run(seconds: float = 60, seeds: int = 3, n: int = Evaluate.n, draws: int = 3,
        peers: tuple[str, ...] = PEERS) -> dict[str, Any]:
    makes, plans = plan(peers)
    steps, found = budgets(makes, plans, seconds), {}
    for label, (name, recipe) in plans.items():
        make, count, known, chosen = makes[name], steps[label], "ours" if name == label else "own", {}
        if name == label and name != OURS:                              # a peer in our trainer: search
            rate, decay = search(name, make, count, n // 2)
            known, recipe = tuned(rate), recipes.ours(DECAYS, rate=rate)
            chosen = {"rate": rate, "ema": float(decay)}
        scores = []
        for seed in range(seeds):
            averages = network(name, make, known, recipe, count, seed)
            net = averages[decay] if chosen else next(iter(averages.values()))
            scores.append(score(net, recipe, n, draws))
        found[label] = {"steps": count, "batch": recipe.batch, "parameters": nets.count(make), **chosen,
                        **summary(scores)}
    return {"seconds": seconds, "seeds": seeds, "samples": n, "draws": draws, "networks": found}


def tuned(rate: float) -> str:
    return f"ours at rate {rate:g}"


def search(name: str, make: Make, steps: int, n: int) -> tuple[float, str]:
    """The rate and the average with the smallest distance, for seed 0."""
    tried = {}
    for rate in RATES:
        recipe = recipes.ours(DECAYS, rate=rate)
        for average, net in network(name, make, tuned(rate), recipe, steps, 0).items():
            tried[rate, average] = score(net, recipe, n, 1)[0]["ratio"]
    return min(tried, key=lambda choice: tried[choice])


def summary(scores: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over the draws of each training seed, then over the seeds."""
    ratios = [mean(draw["ratio"] for draw in one) for one in scores]
    every = [draw for one in scores for draw in one]
    return {"ratio": mean(ratios), "ratios": ratios} | {
        name: mean(draw[name] for draw in every)
        for name in ("frechet", "floor", "coverage", "real_coverage", "copies", "neighbour")}
