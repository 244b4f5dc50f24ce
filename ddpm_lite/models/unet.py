"""The network of DDPM, appendix B: a U-Net (Ronneberger et al. 2015) that is told the time.

Down: residual blocks, then half the size. Middle: attention, where the picture is smallest. Up: twice the
size, and beside it what the same level saw on the way down. It knows nothing of schedules or targets.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddpm_lite.models.time import TimeEmbedding, per_example

GROUPS = 8                                       # of GroupNorm; every width is a multiple of 8
Emb = Float[Tensor, "b e"]                       # what a block is told of time and class


@dataclass(frozen=True)
class UNetConfig:
    """The defaults suit 8 x 8 digits and one minute of two cores; for 28 x 28 or 32 x 32 see `levels`."""

    channels: int = 1                            # of the images
    width: int = 32                              # channels of the first level, a multiple of 8
    levels: Sequence[int] = (1, 3)               # widths in units of `width`; each level has half the size
    blocks: int = 1                              # residual blocks per level and direction
    heads: int = 1                               # of the attention in the middle
    classes: int = 0                             # 0: no labels
    dropout: float = 0.0                         # inside the residual blocks
    learned_variance: bool = False               # twice the output channels

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))          # JSON gives a list
        for name in ("channels", "width", "blocks", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % GROUPS:
            raise ValueError(f"width must be a multiple of {GROUPS}, got {self.width}")
        if len(self.levels) < 2 or min(self.levels) < 1:
            raise ValueError(f"levels must be two or more whole numbers from 1, got {self.levels}")
        if self.width * self.levels[-1] % self.heads:
            raise ValueError(f"heads must divide the last width {self.width * self.levels[-1]}, "
                             f"got {self.heads}")
        if self.classes < 0 or not 0 <= self.dropout < 1:
            raise ValueError(f"classes must be 0 or more and dropout in [0, 1), "
                             f"got {self.classes} and {self.dropout}")


def norm(channels: int) -> nn.GroupNorm:
    """At least two channels a group: alone in its group, a channel would lose what the time added to it."""
    return nn.GroupNorm(min(GROUPS, channels // 2), channels)


def zero(layer: nn.Conv2d) -> nn.Conv2d:
    """A convolution that starts at 0, so that its branch starts by adding nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ResBlock(nn.Module):
    """x + f(x, time): twice norm, SiLU, convolution; the time is added in between, one number per channel."""

    def __init__(self, c_in: int, c_out: int, emb: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(norm(c_in), nn.SiLU(),
                                   nn.Conv2d(c_in, c_out, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(emb, c_out))
        self.second = nn.Sequential(norm(c_out), nn.SiLU(), nn.Dropout(dropout),
                                    zero(nn.Conv2d(c_out, c_out, 3, padding=1)))
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Float[Tensor, "b c_in h w"], emb: Emb) -> Float[Tensor, "b c_out h w"]:
        h = self.first(x)                                               # [b, c_out, h, w]
        h = h + self.time(emb)[:, :, None, None]                        # [b, c_out, 1, 1]
        return self.skip(x) + self.second(h)


class Attention(nn.Module):
    """x + softmax(q k^T / sqrt(d)) v: every pixel looks at every other one, `heads` times side by side."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        qkv = rearrange(self.to_qkv(self.norm(x)), "b c3 h w -> b (h w) c3")            # as it lies in memory
        q, k, v = rearrange(qkv, "b hw (three n d) -> three b n hw d", three=3, n=self.heads)
        h = F.scaled_dot_product_attention(q, k, v)                     # [b, n, hw, d]
        return x + self.out(rearrange(h, "b n (h w) d -> b (n d) h w", h=x.shape[2]))


class Blocks(nn.ModuleList):
    """`count` residual blocks in a row; the first one changes the width."""

    def __init__(self, c_in: int, c_out: int, emb: int, count: int, dropout: float) -> None:
        super().__init__(ResBlock(c_out if i else c_in, c_out, emb, dropout) for i in range(count))

    def forward(self, x: Float[Tensor, "b c_in h w"], emb: Emb) -> Float[Tensor, "b c_out h w"]:
        for block in self:
            x = block(x, emb)
        return x


class Down(nn.Module):
    """Blocks, then half the size. Returns both: the small picture, and the large one for the way up."""

    def __init__(self, c_in: int, c_out: int, emb: int, config: UNetConfig) -> None:
        super().__init__()
        self.blocks = Blocks(c_in, c_out, emb, config.blocks, config.dropout)
        self.halve = nn.Conv2d(c_out, c_out, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c_in h w"], emb: Emb
                ) -> tuple[Float[Tensor, "b c_out h2 w2"], Float[Tensor, "b c_out h w"]]:
        skip = self.blocks(x, emb)                                      # [b, c_out, h, w]
        return self.halve(skip), skip                                   # [b, c_out, h/2, w/2]: 5 becomes 3


class Middle(nn.Module):
    """Blocks, attention, blocks at the smallest size."""

    def __init__(self, c_in: int, c_out: int, emb: int, config: UNetConfig) -> None:
        super().__init__()
        self.before = Blocks(c_in, c_out, emb, config.blocks, config.dropout)
        self.attention = Attention(c_out, config.heads)
        self.after = Blocks(c_out, c_out, emb, config.blocks, config.dropout)

    def forward(self, x: Float[Tensor, "b c_in h w"], emb: Emb) -> Float[Tensor, "b c_out h w"]:
        return self.after(self.attention(self.before(x, emb)), emb)


class Up(nn.Module):
    """To the skip's width, then its size: in this order the convolution has a quarter to do. Then blocks."""

    def __init__(self, c_in: int, c_out: int, emb: int, config: UNetConfig) -> None:
        super().__init__()
        self.grow = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.blocks = Blocks(2 * c_out, c_out, emb, config.blocks, config.dropout)

    def forward(self, x: Float[Tensor, "b c_in h2 w2"], skip: Float[Tensor, "b c_out h w"],
                emb: Emb) -> Float[Tensor, "b c_out h w"]:
        x = F.interpolate(self.grow(x), size=skip.shape[2:])            # [b, c_out, h, w]
        return self.blocks(torch.cat([x, skip], dim=1), emb)            # [b, 2 c_out, h, w] inside


class UNet(nn.Module):
    """`net(x, t, label=None)`: images of any even size from 8 x 8 -> as many (twice the channels with
    `learned_variance`). A label is an int or one per example; None or the value `classes` means no class."""

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        widths = [config.width * level for level in config.levels]
        emb = 4 * config.width
        self.time = TimeEmbedding(config.width, emb)
        self.label = nn.Embedding(config.classes + 1, emb) if config.classes else None
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        pairs = list(pairwise(widths[:1] + widths))                     # (width before, width of the level)
        self.down = nn.ModuleList(Down(a, b, emb, config) for a, b in pairs[:-1])
        self.middle = Middle(*pairs[-1], emb, config)
        self.up = nn.ModuleList(Up(b, a, emb, config) for a, b in reversed(pairs[1:]))
        self.head = nn.Sequential(norm(widths[0]), nn.SiLU(), zero(nn.Conv2d(
            widths[0], config.channels * (1 + config.learned_variance), 3, padding=1)))

    def forward(self, x: Float[Tensor, "b c h w"], t: int | Int[Tensor, " b"],
                label: int | Int[Tensor, " b"] | None = None) -> Float[Tensor, "b c_out h w"]:
        self.check(x)
        emb = self.time(per_example(t, x, "t"))                         # [b, 4 width]
        if self.label is not None:
            emb = emb + self.label(self.classes(x, label))
        elif label is not None:
            raise ValueError("this network has no classes (classes=0), so label must be None")
        skips, h = [], self.stem(x)                                     # [b, width, h, w]
        for down in self.down:
            h, skip = down(h, emb)
            skips.append(skip)
        h = self.middle(h, emb)
        for up in self.up:
            h = up(h, skips.pop(), emb)
        return self.head(h)                                             # [b, c or 2c, h, w]

    def check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.config.channels or any(n < 8 or n % 2 for n in x.shape[2:]):
            raise ValueError(f"x must be [b, {self.config.channels}, h, w] with h and w even and at least 8, "
                             f"got {list(x.shape)}")

    def classes(self, x: Tensor, label: int | Tensor | None) -> Tensor:
        classes = self.config.classes
        label = per_example(classes if label is None else label, x, "label")
        if label.device.type == "cpu" and ((label < 0) | (label > classes)).any():       # a GPU would wait
            raise ValueError(f"label must lie in [0, {classes}], where {classes} is no class, "
                             f"got {label.min()} to {label.max()}")
        return label
