"""The exponential moving average of the weights: steadier than the last step's, and what one samples from."""
from copy import deepcopy

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """average += (1 - d_n) (weights - average) with d_n = min(decay, (1 + n) / (10 + n)) after n updates;
    the first update copies the weights.

    A young average follows the weights closely, so it's ready to sample from at any moment. Buffers are
    copied, not averaged: a counter or a table has no mean. `module` is the averaged network, in eval mode.
    """

    n_averaged: Tensor                           # stays on the CPU: to read it there, nobody waits

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = deepcopy(net)
        self.register_buffer("n_averaged", torch.tensor(0))
        self.decay = decay
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def update_parameters(self, net: nn.Module) -> None:
        n = int(self.n_averaged)
        decay = min(self.decay, (1 + n) / (10 + n)) if n else 0.0
        torch._foreach_lerp_(list(self.module.parameters()), list(net.parameters()), 1 - decay)
        for average, now in zip(self.module.buffers(), net.buffers(), strict=True):
            average.copy_(now)
        self.n_averaged += 1
