"""A run folder: `model.safetensors` (the averaged weights), `config.json`, `log.jsonl`, and all that going on
needs in the one file `resume.safetensors`, so that no two halves of a save can differ. Nothing is pickled."""
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from ddpm_lite import dist
from ddpm_lite.atomic import write
from ddpm_lite.config import TrainConfig
from ddpm_lite.files import read_tensors, write_tensors
from ddpm_lite.models import UNet, UNetConfig
from ddpm_lite.schedule import SCHEDULES, Schedule
from ddpm_lite.train import Step, Trainer

FORMAT = 1
FREE = {"steps", "seconds", "log_every", "device", "compile", "accumulate"}     # may change on resume
Folder = str | Path


class Run(NamedTuple):
    net: UNet                                    # the averaged weights, in eval mode, on the CPU
    sched: Schedule
    config: TrainConfig


def save(folder: Folder, trainer: Trainer) -> None:
    """Writes the run as it stands, each file whole or not at all; after an OSError the last save stands."""
    if dist.rank() != 0:
        return
    tensors = {name: v.detach().cpu().contiguous() for name, v in trainer.tensors().items()}
    if not all(v.isfinite().all() for v in tensors.values()):
        raise FloatingPointError(f"the weights of step {trainer.step} hold NaN or infinity: not saved")
    about = {"step": str(trainer.step), "seconds": repr(trainer.seconds),
             "config": json.dumps(describe(trainer))}                   # so that no other config.json fits
    average = {name[len("ema.module."):]: v for name, v in tensors.items() if name.startswith("ema.module.")}
    config = json.dumps(describe(trainer), indent=2).encode()
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_tensors(Path(folder) / "resume.safetensors", tensors, about)
    write_tensors(Path(folder) / "model.safetensors", average, about)
    write(Path(folder) / "config.json", [config])                       # last: with it the folder holds a run


def load(folder: Folder) -> Run:
    """The run's network with the averaged weights, its schedule, and how it was trained."""
    said = read_config(folder)
    net = UNet(UNetConfig(**said["network"]))
    net.to(memory_format=torch.channels_last)                           # type: ignore[call-overload]  # as trained
    restore(net.state_dict(), Path(folder) / "model.safetensors", said)
    return Run(net.eval().requires_grad_(False), schedule(said["schedule"]), TrainConfig(**said["training"]))


def resume(folder: Folder, trainer: Trainer) -> None:
    """Sets a trainer of the same network, schedule, data and config (but for the budget) to the last save."""
    said, now = read_config(folder), json.loads(json.dumps(describe(trainer)))
    for part, name, saved, new in differences(said, now):
        raise ValueError(f"a resumed run keeps its {part}: {name} must be {saved}, got {new}")
    about = restore(trainer.tensors(), Path(folder) / "resume.safetensors", said)
    trainer.step, trainer.seconds = int(about["step"]), float(about["seconds"])
    if dist.rank() != 0:
        return
    kept, path = [], Path(folder) / "log.jsonl"
    for line in path.read_bytes().splitlines() if path.exists() else []:
        with suppress(ValueError, KeyError):                            # a line may have been cut short
            kept += [line + b"\n"] if json.loads(line)["step"] <= trainer.step else []
    write(path, kept)                                                   # each step once, after a kill too
    for leftover in Path(folder).glob(".*.part"):
        leftover.unlink()


def log(folder: Folder, step: Step) -> None:
    """Adds a line to log.jsonl; after an OSError the last save stands."""
    if dist.rank() != 0:
        return
    path = Path(folder) / "log.jsonl"
    try:
        with open(path, "a") as file:
            file.write(json.dumps(step._asdict()) + "\n")
    except OSError as error:
        why = error.strerror or error
        raise OSError(error.errno, f"can't write {path} ({why}); the last save stands") from error


def describe(trainer: Trainer) -> dict[str, Any]:
    """What config.json says; a schedule by its name and T, or, if it has no name, by its betas."""
    if not isinstance(trainer.net, UNet):
        raise ValueError(f"a run folder holds a UNet, got {type(trainer.net).__name__}")
    sched = trainer.sched
    named = [{"name": name, "T": sched.T} for name, make in SCHEDULES.items()
             if sched.T > 1 and torch.equal(make(T=sched.T).alpha_bar, sched.alpha_bar)]
    return {"format": FORMAT, "network": asdict(trainer.net.config), "examples": list(trainer.data.shape),
            "schedule": named[0] if named else {"beta": sched.beta[1:].tolist()},
            "training": {field.name: getattr(trainer.config, field.name) for field in fields(TrainConfig)}}


def schedule(said: dict[str, Any]) -> Schedule:
    return Schedule.from_beta(said["beta"]) if "beta" in said else SCHEDULES[said["name"]](T=said["T"])


def read_config(folder: Folder) -> dict[str, Any]:
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no run: expected a folder that `ddpm-lite train` wrote")
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT:
            raise OSError(f"{path} has format {said['format']}, and this version reads format {FORMAT}")
        said |= {"network": checked(UNetConfig, said["network"]),
                 "training": checked(TrainConfig, said["training"])}
        schedule(said["schedule"])
        if len(said["examples"]) != 4 or not all(fits(n, int) and n > 0 for n in said["examples"]):
            raise ValueError(f"examples must be [n, c, h, w], got {said['examples']}")
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{path} is damaged: {error!r}") from error
    return said


def checked(kind: type, said: dict[str, Any]) -> dict[str, Any]:
    """The options of a dataclass as JSON has them, those not said (by an older version) at their defaults."""
    for name, hint in get_type_hints(kind).items():
        if name in said and not fits(said[name], hint):
            raise TypeError(f"{name} can't be {said[name]!r}")
    return json.loads(json.dumps(asdict(kind(**said))))


def fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Sequence:
        return isinstance(value, list) and all(fits(one, *get_args(hint)) for one in value)
    return type(value) in (get_args(hint) or (hint,)) or type(value) is int and fits(0.0, hint)


def differences(said: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """(part, name, value said, value now) of all that isn't the same and may not change."""
    for part, saved in said.items():
        pairs = saved.items() if isinstance(saved, dict) else [(part, saved)]
        for name, value in pairs:
            new = now.get(part, {}).get(name) if isinstance(saved, dict) else now.get(part)
            if new != value and name not in FREE:
                yield part, name, value, new


def restore(into: dict[str, Tensor], path: Path, said: dict[str, Any]) -> dict[str, str]:
    """Copies each tensor of the file in place: memory format and device stay those of `into`. Returns what
    the file says about them; raises OSError if they aren't those of a run with this config."""
    tensors, about = read_tensors(path)
    for part, name, value, made in differences(said, json.loads(about.get("config", "{}"))):
        if made is not None:                                            # an older version didn't know of it
            raise OSError(f"config.json isn't that of {path}: its {part} says {name} = {value}, "
                          f"and the weights were made with {made}")
    if {k: v.shape for k, v in into.items()} != {k: v.shape for k, v in tensors.items()}:
        raise OSError(f"the weights in {path} aren't those of the network that its config.json describes")
    if not all(v.isfinite().all() for v in tensors.values()):
        raise OSError(f"the weights in {path} hold NaN or infinity")
    with torch.no_grad():
        for name, v in into.items():
            v.copy_(tensors[name])
    return about
