"""Where to compute, and with how many (`torchrun`): my device, my share of the batch, what all must agree on.

With one process nothing is shared and every function is the identity.
"""
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

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
            dist.init_process_group("nccl", device_id=device, **_fresh())
        else:
            dist.init_process_group("gloo", **_fresh())


def _fresh() -> dict[str, Any]:
    """After a restart, torchrun's store still holds the addresses of processes that are no more
    (pytorch#135712). On one host all count restarts alike, and so can have names of their own; on several
    hosts set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun, which then makes a new store each time."""
    if not restarted() or os.environ.get("GROUP_WORLD_SIZE") != "1":
        return {}
    store, rank, world = next(dist.rendezvous("env://"))
    name = "restart " + os.environ["TORCHELASTIC_RESTART_COUNT"]
    return {"store": dist.PrefixStore(name, store), "rank": rank, "world_size": world}


def stop() -> None:
    """Waits for the others and leaves."""
    if dist.is_initialized():
        wait()
        dist.destroy_process_group()


@contextmanager
def together() -> Iterator[None]:
    """Raises ConnectionError, of one line, if meanwhile another process dies or can't be reached."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise ConnectionError(f"process {os.environ.get('RANK')} has lost another one, and stops; the last "
                              "save stands, and torchrun --max-restarts would go on from it") from error


def wait() -> None:
    """Returns once all processes have come here."""
    if world() > 1:
        dist.barrier()


def restarted() -> bool:
    """Whether torchrun has started these processes again after one of them failed (--max-restarts)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


def elastic() -> bool:
    """Whether torchrun may start these processes again (--max-restarts). It doesn't say reliably whether it
    has: across hosts not every restart is counted."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def share(batch: int, part: int = 0, parts: int = 1) -> slice:
    """One of the `parts` of this process's share of the global batch; they differ by one example at most."""
    i, n = rank() * parts + part, world() * parts
    return slice(i * batch // n, (i + 1) * batch // n)


def wrap(net: nn.Module) -> nn.Module:
    """The same network, its gradients averaged over the processes."""
    return DistributedDataParallel(net) if world() > 1 else net


def alone(net: nn.Module, yes: bool) -> AbstractContextManager[object]:
    """While it lasts, if `yes`, gradients add up in this process and don't travel yet."""
    return net.no_sync() if yes and isinstance(net, DistributedDataParallel) else nullcontext()


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
