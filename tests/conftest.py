"""What several test files share."""

import jaxtyping
import pytest
import torch

import ddpm_lite as dl


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def as_user():
    """Switches the run-time shape checks off: the messages tested are those that a user sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def uneven(T: int = 12) -> dl.Schedule:
    """A schedule whose betas all differ and neither rise nor fall, so an index shift shows."""
    t = torch.arange(1, T + 1, dtype=torch.float64)
    return dl.Schedule.from_beta(0.05 + 0.3 * (0.5 + 0.5 * torch.sin(2.4 * t)) * t / T)
