"""The exponential moving average of the weights: steadier than the last step's, and what one samples from."""
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def ema(net: nn.Module, decay: float) -> AveragedModel:
    """average += (1 - d_n) (weights - average) with d_n = min(decay, (1 + n) / (10 + n)) after n updates.

    A young average follows the weights closely, so it's ready to sample from at any moment. Buffers are
    copied, not averaged: a counter or a table has no mean. `.module` is the averaged network, in eval mode.
    """
    @torch.no_grad()
    def update(average: Tensors, weights: Tensors, n: Tensor | int) -> None:
        step = 1 - ((1 + n) / torch.as_tensor(10 + n)).clamp(max=decay)         # on the device: nobody waits
        change = torch._foreach_sub(weights, average)
        torch._foreach_mul_(change, step)
        torch._foreach_add_(average, change)

    return AveragedModel(net, multi_avg_fn=update, use_buffers=False).eval().requires_grad_(False)
