"""A small network for points: what the UNet is for images, without the images."""
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddpm_lite.models.time import TimeEmbedding, per_example


class MLP(nn.Module):
    """Points and times -> points: `depth` residual layers of `width`, the time added at the start."""

    def __init__(self, dim: int = 2, width: int = 128, depth: int = 3) -> None:
        super().__init__()
        if dim < 1 or depth < 1 or width < 2 or width % 2:
            raise ValueError(f"dim and depth must be at least 1 and width even, "
                             f"got dim {dim}, width {width}, depth {depth}")
        self.time = TimeEmbedding(width, width)
        self.stem = nn.Linear(dim, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, dim)

    def forward(self, x: Float[Tensor, "b dim"], t: int | Int[Tensor, " b"]) -> Float[Tensor, "b dim"]:
        h = self.stem(x) + self.time(per_example(t, x, "t"))            # [b, width]
        for layer in self.layers:
            h = h + layer(F.silu(h))
        return self.head(F.silu(h))                                     # [b, dim]
