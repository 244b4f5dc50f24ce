"""The time, as a network hears it: sines and cosines (Vaswani et al. 2017, 3.5), then an MLP (DDPM, B)."""
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def sinusoid(t: Int[Tensor, " b"], dim: int) -> Float[Tensor, "b {dim}"]:
    """sin(w_i t), then cos(w_i t), with w_i = 10000^(-2i/dim), i = 0 .. dim/2 - 1; float32."""
    if dim < 2 or dim % 2:
        raise ValueError(f"dim must be even and at least 2, got {dim}")
    i = torch.arange(dim // 2, device=t.device)
    angle = t.float()[:, None] * 10_000.0 ** (-2 * i / dim)             # [b, dim/2]
    return torch.cat([angle.sin(), angle.cos()], dim=1)                 # [b, dim]


class TimeEmbedding(nn.Module):
    """t -> a vector of `out` numbers, learned from `dim` sines and cosines."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.dim = dim
        self.first, self.second = nn.Linear(dim, out), nn.Linear(out, out)

    def forward(self, t: Int[Tensor, " b"]) -> Float[Tensor, "b out"]:
        h = self.first(sinusoid(t, self.dim).to(self.first.weight))     # [b, out]
        return self.second(F.silu(h))


def per_example(value: int | Int[Tensor, " b"], x: Float[Tensor, "b *dims"], name: str) -> Int[Tensor, " b"]:
    """One integer per example of the batch x: an int counts for all of them."""
    value = torch.as_tensor(value, device=x.device)
    if value.is_floating_point() or value.ndim > 1 or value.ndim == 1 and len(value) != len(x):
        raise ValueError(f"{name} must be an int or {len(x)} integers, "
                         f"got {value.dtype} of shape {tuple(value.shape)}")
    return value.expand(len(x))
