"""Noise schedules: beta_t, alpha_t = 1 - beta_t and alpha_bar_t = alpha_1 ... alpha_t (DDPM, section 2).

Times run 0..T and 0 is clean data, so each table has T + 1 entries with beta[0] = 0 and alpha_bar[0] = 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

Time = int | Int[Tensor, " b"]
Table = Float64[Tensor, " times"]                                       # entries 0..T


@dataclass(frozen=True, eq=False)
class Schedule:
    """The tables beta and alpha_bar, float64 on the CPU: in half precision alpha_bar would round to 1."""

    beta: Table
    alpha_bar: Table

    def __post_init__(self) -> None:
        for name, first in (("beta", 0.0), ("alpha_bar", 1.0)):
            table = getattr(self, name)
            if table.dtype != torch.float64 or table.ndim != 1 or len(table) < 2 or table[0] != first:
                raise ValueError(f"{name} must be a float64 table [T+1] that starts with {first}, "
                                 f"got {table.dtype} {list(table.shape)}; see Schedule.from_beta")
        if len(self.beta) != len(self.alpha_bar):
            raise ValueError(f"the tables differ in length: {len(self.beta)} and {len(self.alpha_bar)}")

    @classmethod
    def from_beta(cls, beta: Float[Tensor, " T"] | list[float]) -> "Schedule":
        """The schedule of beta_1 .. beta_T, each strictly between 0 and 1."""
        beta = torch.as_tensor(beta, dtype=torch.float64, device="cpu").clone()
        if beta.ndim != 1 or len(beta) == 0:
            raise ValueError(f"beta must be a list beta_1 .. beta_T, T >= 1, got shape {list(beta.shape)}")
        if not bool(((beta > 0) & (beta < 1)).all()):                  # false for NaN, too
            t = int((~((beta > 0) & (beta < 1))).nonzero()[0]) + 1
            raise ValueError(f"each beta must lie strictly between 0 and 1, got beta_{t} = {beta[t - 1]:g}")
        beta = torch.cat([beta.new_zeros(1), beta])
        alpha_bar = torch.cumprod(1 - beta, 0)
        if not bool((alpha_bar.diff() < 0).all()):
            raise ValueError("alpha_bar must fall at every step: a beta is too near 0 for float64, or there "
                             "is so much noise that alpha_bar reaches 0")
        return cls(beta, alpha_bar)

    @property
    def T(self) -> int:
        return len(self.beta) - 1

    @property
    def alpha(self) -> Table:
        return 1 - self.beta

    @property
    def snr(self) -> Table:
        """Signal to noise, alpha_bar / (1 - alpha_bar); infinite at t = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)


def at(table: Table, t: Time) -> Float64[Tensor, "*b"]:
    """table[t], gathered in float64 where the table lives; a t on the CPU costs the device no wait.

    Raises ValueError if a t isn't a whole number in 0..T.
    """
    T = len(table) - 1
    if isinstance(t, int) and not isinstance(t, bool):
        if not 0 <= t <= T:
            raise ValueError(f"t must lie in [0, {T}], got {t}")
        return table[t]
    if not isinstance(t, Tensor) or t.dtype not in (torch.int64, torch.int32) or t.ndim != 1:
        got = f"{t.dtype} {list(t.shape)}" if isinstance(t, Tensor) else repr(t)
        raise ValueError(f"t must be an int or an int64 tensor [b], got {got}")
    index = t.to(table.device)
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) <= T:
        raise ValueError(f"t must lie in [0, {T}], got {int(index.min())} to {int(index.max())}")
    return table[index]


def fit(coefficient: Float64[Tensor, "*b"], like: Float[Tensor, "b *dims"]) -> Float[Tensor, "..."]:
    """A number per example, cast like `like` (type and device) and shaped to multiply it."""
    if not like.is_floating_point():
        raise ValueError(f"x must be a float tensor, got {like.dtype}; from 0 to 255 use x / 127.5 - 1")
    if coefficient.ndim == 1:
        if len(coefficient) != len(like):
            raise ValueError(f"t must have one entry an example, {len(like)}, got {len(coefficient)}")
        coefficient = coefficient.reshape(-1, *[1] * (like.ndim - 1))
    coefficient = coefficient.to(like.dtype)                            # first: some devices have no float64
    return coefficient.to(like.device, non_blocking=like.is_cuda)


def _at_least_two(T: int) -> None:
    if not isinstance(T, int) or T < 2:
        raise ValueError(f"T must be a whole number, at least 2, got {T!r}")


def linear(T: int = 1000, beta_1: float | None = None, beta_T: float | None = None) -> Schedule:
    """beta rises in a straight line (DDPM, section 4): 1e-4 to 0.02 at T = 1000, by default times 1000/T."""
    _at_least_two(T)
    beta_1 = min(1e-4 * 1000 / T, 0.999) if beta_1 is None else beta_1
    beta_T = min(0.02 * 1000 / T, 0.999) if beta_T is None else beta_T
    for name, beta in (("beta_1", beta_1), ("beta_T", beta_T)):
        if not 0 < beta < 1:
            raise ValueError(f"{name} must lie strictly between 0 and 1, got {beta:g}")
    return Schedule.from_beta(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


def cosine(T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> Schedule:
    """alpha_bar_t = cos^2 of (t/T + s)/(1 + s) pi/2 over its value at 0 (Nichol and Dhariwal, eq. 17).

    Each beta is capped at `beta_max`, so the last alpha_bar is small and never 0.
    """
    _at_least_two(T)
    if s < 0:
        raise ValueError(f"s must be at least 0, got {s}")
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return Schedule.from_beta((1 - f[1:] / f[:-1]).clamp(max=beta_max))


SCHEDULES: dict[str, Callable[..., Schedule]] = {"linear": linear, "cosine": cosine}
