"""Where to compute, and with how many (`torchrun`): my device, my share of the batch, what all must agree on.

With one process nothing is shared and every function is the identity.
"""
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" is CUDA (under torchrun the process's own), else MPS, else the CPU."""
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    name = found if name == "auto" else name
    kind, colon, index = name.partition(":")
    indices = map(str, range(max(1, torch.cuda.device_count())))
    if kind not in {found, "cpu"} or colon and index not in indices:
        raise ValueError(f"device must be one of {', '.join(sorted({'auto', 'cpu', found}))}, got {name!r}")
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name == "cuda" else name)


def start(device: torch.device) -> None:
    """Joins the processes that torchrun started, if it did: nccl between CUDA devices, gloo between CPUs."""
    if "LOCAL_RANK" in os.environ and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)                               # or all of them meet on the first
            dist.init_process_group("nccl", device_id=device)
        else:
            dist.init_process_group("gloo")


def stop() -> None:
    """Waits for the others and leaves."""
    if dist.is_initialized():
        wait()
        dist.destroy_process_group()


def wait() -> None:
    """Returns once all processes have come here."""
    if world() > 1:
        dist.barrier()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def share(batch: int) -> slice:
    """This process's part of the global batch; parts differ by one example at most."""
    return slice(rank() * batch // world(), (rank() + 1) * batch // world())


def wrap(net: nn.Module) -> nn.Module:
    """The same network, its gradients averaged over the processes."""
    return DistributedDataParallel(net) if world() > 1 else net


def total(x: Tensor) -> Tensor:
    """The sum of x over the processes, in place."""
    if world() > 1:
        dist.all_reduce(x)
    return x


def most(values: list[float], device: torch.device) -> list[float]:
    """The largest of each value over the processes: what one of them has seen, all of them know."""
    if world() == 1:
        return values
    x = torch.tensor(values, dtype=torch.float32, device=device)
    dist.all_reduce(x, dist.ReduceOp.MAX)
    return x.tolist()
