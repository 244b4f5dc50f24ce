"""ddpm_lite: denoising diffusion from first principles. Each name is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

from ddpm_lite.runtime import prepare

if TYPE_CHECKING:
    import ddpm_lite.checkpoint as checkpoint
    import ddpm_lite.data as data
    import ddpm_lite.exact as exact
    import ddpm_lite.metrics as metrics
    import ddpm_lite.models as models
    import ddpm_lite.schedule as schedule
    from ddpm_lite.loss import Elbo, bits, bound_term, elbo, hybrid_loss, simple_loss
    from ddpm_lite.models.mlp import MLP
    from ddpm_lite.models.unet import UNet, UNetConfig
    from ddpm_lite.prediction import TARGETS, VARIANCES, Prediction, p_step, predict
    from ddpm_lite.process import Normal, kl, q_posterior, q_step, q_xt
    from ddpm_lite.sample import (
        SAMPLERS,
        State,
        ancestral,
        ddim,
        dpm_solver,
        guide,
        last,
        seeded_noise,
        times,
    )
    from ddpm_lite.schedule import SCHEDULES, Schedule, cosine, linear
    from ddpm_lite.train import TrainConfig, Trainer

prepare()

_HOME = {
    "schedule": "SCHEDULES Schedule cosine linear",
    "process": "Normal kl q_posterior q_step q_xt",
    "prediction": "TARGETS VARIANCES Prediction p_step predict",
    "loss": "Elbo bits bound_term elbo hybrid_loss simple_loss",
    "sample": "SAMPLERS State ancestral ddim dpm_solver guide last seeded_noise times",
    "models.mlp": "MLP",
    "models.unet": "UNet UNetConfig",
    "train": "TrainConfig Trainer",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}
_MODULES = "checkpoint data exact loss metrics models prediction process sample schedule train".split()
__all__ = [*_MODULE_OF, *_MODULES]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"ddpm_lite has no {name!r}; it has {', '.join(sorted(__all__))}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
