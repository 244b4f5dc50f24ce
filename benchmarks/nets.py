"""The networks: ours, and the peers' scaled to as many parameters. All are called as net(x, t)."""
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

import ddpm_lite as dl
from benchmarks.labels import DIFFUSERS, LUCIDRAINS, OURS

Shape = tuple[int, int, int]                     # channels, height, width
Make = Callable[[], nn.Module]
Plans = list[tuple[float, Make]]                # how far each strays from what it was made from
CLOSE = 0.03                                     # how far a peer's number of parameters may lie from ours


class Peer(nn.Module):
    """A peer's network for our trainer and samplers: times 1..T become 0..T-1, and a tensor comes out."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        out = self.net(x, t - 1)
        return out if isinstance(out, Tensor) else out.sample


def count(make: Make) -> int:
    with torch.device("meta"):                                          # no memory, which others measure
        return sum(p.numel() for p in make().parameters())


def ours(shape: Shape) -> dl.UNet:
    return dl.UNet(dl.UNetConfig(channels=shape[0]))


def diffusers(shape: Shape, widths: tuple[int, ...], time: int, attention: bool) -> nn.Module:
    """UNet2DModel; its default has attention on every level but the first, and in the middle."""
    from diffusers import UNet2DModel

    blocks = ["" if i == 0 or not attention else "Attn" for i in range(len(widths))]
    return Peer(UNet2DModel(
        sample_size=shape[1], in_channels=shape[0], out_channels=shape[0], block_out_channels=widths,
        down_block_types=[f"{a}DownBlock2D" for a in blocks], norm_num_groups=8, time_embedding_dim=time,
        up_block_types=[f"{a}UpBlock2D" for a in reversed(blocks)]))


def lucidrains(shape: Shape, dim: int, head: int, levels: tuple[int, ...]) -> nn.Module:
    """denoising_diffusion_pytorch.Unet; its default has linear attention on every level but the last."""
    from denoising_diffusion_pytorch import Unet

    return Peer(Unet(dim, dim_mults=levels, channels=shape[0], attn_dim_head=head))


def diffusers_plans(shape: Shape, levels: tuple[int, ...], attention: bool) -> Iterator[Plans]:
    """Widths in multiples of 8, near to the ratios of `levels`; the time's features, 4 base, make it fit."""
    for base in range(8, 257, 8):
        for rest in product(*([base * m + d for d in (0, -8, 8)] for m in levels[1:])):
            stray = sum(abs(w / (base * m) - 1) for w, m in zip(rest, levels[1:], strict=True))
            for times in (range(4 * base, 8 * base, base // 2), range(4 * base, base, -base // 2)):
                yield [(stray + abs(time / (4 * base) - 1),
                        partial(diffusers, shape, (base, *rest), time, attention)) for time in times]


def lucidrains_plans(shape: Shape, levels: tuple[int, ...]) -> Iterator[Plans]:
    """Widths in multiples of 8; the attention's channels a head, 32, make it fit."""
    for dim in range(8, 257, 8):
        for heads in (range(32, 97, 4), range(32, 7, -4)):
            yield [(abs(head / 32 - 1), partial(lucidrains, shape, dim, head, levels)) for head in heads]


def scale(target: int, ladders: Iterator[Plans]) -> Make:
    """Of the networks within CLOSE of `target` parameters, the one that strays least from the peer's plan.

    Each ladder goes up or down in parameters.
    """
    fits: list[tuple[float, int, Make]] = []
    for ladder in ladders:
        if not target / 2 < (first := count(ladder[0][1])) < 2 * target:
            if first > target:
                break                                                   # the next are larger still
            continue
        sizes: list[float] = []
        for stray, make in ladder:
            sizes.append(count(make) / target)
            if abs(sizes[-1] - 1) <= CLOSE:
                fits.append((stray, len(fits), make))
                break
            if (sizes[0] - 1) * (sizes[-1] - 1) < 0 or abs(sizes[-1] - 1) > abs(sizes[0] - 1):
                break                                                   # beyond it, or going away from it
    if not fits:
        raise ValueError(f"no network of this kind has {target} parameters, give or take {CLOSE:.0%}")
    return min(fits)[2]


def contenders(shape: Shape) -> dict[str, Make]:
    """Ours and the peers' networks for images of this shape, with as many levels and parameters as ours."""
    mine = partial(ours, shape)
    levels = mine().config.levels
    size = count(mine)
    return {
        OURS: mine,
        DIFFUSERS: scale(size, diffusers_plans(shape, levels, True)),
        f"{DIFFUSERS}, attention in the middle only": scale(size, diffusers_plans(shape, levels, False)),
        LUCIDRAINS: scale(size, lucidrains_plans(shape, levels)),
    }
