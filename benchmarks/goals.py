"""What the numbers should be, and whether they are; computed from results.json, never typed."""
from typing import Any, NamedTuple

from benchmarks.labels import OURS, SHAPES

Results = dict[str, Any]


class Goal(NamedTuple):
    what: str
    value: float | None                          # None: not measured yet
    limit: float
    least: bool = False                          # the limit is the least allowed, not the most
    form: str = "{:.2f}"

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit


def goals(results: Results) -> list[Goal]:
    return [*quality(results.get("quality", {})), *speed(results.get("speed", {})),
            *sampling(results.get("sampling", {})), *footprint(results.get("footprint", {}))]


def quality(found: Results) -> list[Goal]:
    networks = found.get("networks", {})
    ours = networks.get(OURS, {}).get("ratio")
    rivals = [net["ratio"] for name, net in networks.items() if "rate" in net]
    return [Goal("Frechet distance after the budget, over that of real images", ours, 2.5),
            Goal("the same over the best peer's in our trainer",
                 ours / min(rivals) if ours is not None and rivals else None, 1 / 3)]


def speed(found: Results) -> list[Goal]:
    rows = []
    for shape in SHAPES:
        networks = found.get("shapes", {}).get(shape, {}).get("networks", {})
        for kind in ("training", "sampling"):
            over = [net[kind]["ours_over_this"] for name, net in networks.items() if name != OURS]
            rows.append(Goal(f"{kind} step, {shape}: our time over the fastest peer's",
                             max(over, default=None), 0.7, form="{:.3f}"))
    for shape, least in (("1x8x8", 0.6), ("3x32x32", 0.7)):
        ours = found.get("shapes", {}).get(shape, {}).get("networks", {}).get(OURS)
        rows.append(Goal(f"training step, {shape}: share of the convolution peak",
                         ours and ours["training"]["share_of_conv_peak"], least, True, "{:.0%}"))
    return rows


def sampling(found: Results) -> list[Goal]:
    ratios = found.get("ratios", {})
    at = {steps: min((walk[steps] for name, walk in ratios.items()
                      if steps in walk and not name.startswith("diffusers")), default=None)
          for steps in ("10", "20")}
    longest = ratios.get("ancestral", {}).get(str(found.get("longest")))
    return [Goal("our best sampler at 10 steps: distance over that of real images", at["10"], 4),
            Goal("our best sampler at 20 steps, over 1000-step ancestral",
                 at["20"] / longest if at["20"] is not None and longest else None, 1.1)]


def footprint(found: Results) -> list[Goal]:
    added, memory = found.get("import_added_s", {}), found.get("memory_mb", {}).get(OURS, {})
    return [Goal("every public name of ddpm_lite imported, seconds over `import torch`",
                 added.get(f"{OURS}, every public name"), 0.2),
            Goal("peak memory of training digits, MB", memory.get("digits, batch 64"), 450, form="{:.0f}"),
            Goal("peak memory of training 3x32x32 at batch 64, MB", memory.get("3x32x32, batch 64"), 1000,
                 form="{:.0f}")]
