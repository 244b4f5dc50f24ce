"""Networks: any callable `(x, t) -> tensor` will do, these two are enough for the course."""
from ddpm_lite.models.mlp import MLP
from ddpm_lite.models.time import TimeEmbedding, sinusoid
from ddpm_lite.models.unet import UNet, UNetConfig

__all__ = ["MLP", "TimeEmbedding", "UNet", "UNetConfig", "sinusoid"]
