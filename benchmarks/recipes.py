"""How each network is trained: in our trainer, or by its own library's example as it comes."""
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice, repeat
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

import ddpm_lite as dl
from benchmarks.labels import DIFFUSERS, LUCIDRAINS
from benchmarks.nets import Make, Peer
from ddpm_lite.cli_train import Train
from ddpm_lite.ema import Average

BATCH = 16                                       # of both peers' examples
RATE = 1e-4                                      # of both, too
Averages = dict[str, nn.Module]                  # the weights to sample from, by how they were averaged


class Recipe(NamedTuple):
    """`train(net, data, steps, seed)` yields None after each step, and at the end the averages."""

    train: Callable[[nn.Module, Tensor, int, int], Iterator[Averages | None]]
    sched: Callable[[], dl.Schedule]             # what the network is then sampled with
    target: str
    batch: int


def ours(decays: tuple[float, ...] = (), schedule: str = Train.schedule, **settings: Any) -> Recipe:
    """Our trainer with its defaults but for these settings; peers may ask for several averages at once."""
    base = dl.TrainConfig(device="cpu", log_every=1, **settings)

    def train(net: nn.Module, data: Tensor, steps: int, seed: int) -> Iterator[Averages | None]:
        trainer = dl.Trainer(net, sched(), data, replace(base, steps=steps, seed=seed))
        others = {str(decay): Average(trainer.net, decay) for decay in decays}
        for _ in trainer.run():
            for average in others.values():
                average.update_parameters(trainer.net)
            yield None
        yield {name: average.module for name, average in others.items()} or {str(base.ema): trainer.ema}

    def sched() -> dl.Schedule:
        return dl.SCHEDULES[schedule](T=Train.T)

    return Recipe(train, sched, base.target, base.batch)


def batches(data: Tensor, steps: int) -> Iterator[Tensor]:
    """Of shuffled epochs, the last part batch left out."""
    epochs = (torch.randperm(len(data)).split(BATCH) for _ in repeat(None))
    parts = (part for epoch in epochs for part in epoch if len(part) == BATCH)
    return (data[part] for part in islice(parts, steps))


def diffusers_example() -> Recipe:
    """The defaults of examples/unconditional_image_generation/train_unconditional.py, without flips."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(num_train_timesteps=1000)

    def train(net: Peer, data: Tensor, steps: int, seed: int) -> Iterator[Averages | None]:
        from diffusers.optimization import get_scheduler
        from diffusers.training_utils import EMAModel

        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(net.parameters(), RATE, (0.95, 0.999), weight_decay=1e-6)
        rate = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=steps)
        average = EMAModel(net.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=3 / 4)
        for x0 in batches(data, steps):
            eps, t = torch.randn_like(x0), torch.randint(0, 1000, (len(x0),))
            F.mse_loss(net.net(scheduler.add_noise(x0, eps, t), t).sample, eps).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
            average.step(net.parameters())
            yield None
        average.copy_to(net.parameters())
        yield {"own": net}

    return Recipe(train, lambda: dl.Schedule.from_beta(scheduler.betas), "eps", BATCH)      # type: ignore[arg-type]


def lucidrains_trainer() -> Recipe:
    """GaussianDiffusion and the settings of Trainer, all as they come, without flips."""
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    def diffusion(net: nn.Module, size: int) -> Any:
        return GaussianDiffusion(net, image_size=size)

    def train(net: Peer, data: Tensor, steps: int, seed: int) -> Iterator[Averages | None]:
        from ema_pytorch import EMA

        torch.manual_seed(seed)
        whole = diffusion(net.net, data.shape[-1])
        average = EMA(whole, beta=0.995, update_every=10)
        optimizer = torch.optim.Adam(whole.parameters(), lr=RATE, betas=(0.9, 0.99))
        for x0 in batches(data, steps):
            whole((x0 + 1) / 2).backward()                              # it takes images in [0, 1]
            nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update()
            yield None
        yield {"own": Peer(average.ema_model.model)}

    def sched() -> dl.Schedule:
        return dl.Schedule.from_beta(diffusion(Unet(8, dim_mults=(1,), channels=1), 8).betas)

    return Recipe(train, sched, "v", BATCH)                             # type: ignore[arg-type]


OWN: dict[str, Callable[[], Recipe]] = {DIFFUSERS: diffusers_example, LUCIDRAINS: lucidrains_trainer}


def trained(make: Make, recipe: Recipe, data: Tensor, steps: int, seed: int, say: str) -> Averages:
    """The averaged networks after `steps`, in eval mode, the first weights drawn as the command line does."""
    torch.manual_seed(seed)
    averages: Averages = {}
    for done in tqdm(recipe.train(make(), data, steps, seed), say, steps, leave=False, disable=None):
        averages = done or averages
    return {name: net.eval().requires_grad_(False) for name, net in averages.items()}
