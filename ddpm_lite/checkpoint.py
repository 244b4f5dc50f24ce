"""A run folder: `model.safetensors` (the averaged weights), `config.json`, `log.jsonl`, and all that going on
needs in the one file `resume.safetensors`, so that no two halves of a save can differ. Nothing is pickled."""
import json
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ddpm_lite import dist
from ddpm_lite.files import read_tensors, write, write_tensors
from ddpm_lite.models import UNet, UNetConfig
from ddpm_lite.schedule import SCHEDULES, Schedule
from ddpm_lite.train import Step, TrainConfig, Trainer

FORMAT = 1
FREE = {"steps", "seconds", "log_every", "device", "compile"}           # may change on resume
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
    about = {"step": str(trainer.step), "seconds": repr(trainer.seconds)}
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
    restore(net.state_dict(), read_tensors(Path(folder) / "model.safetensors")[0], folder)
    return Run(net.eval().requires_grad_(False), schedule(said["schedule"]), TrainConfig(**said["training"]))


def resume(folder: Folder, trainer: Trainer) -> None:
    """Sets a trainer of the same network, schedule, data and config (but for the budget) to the last save."""
    said, now = read_config(folder), json.loads(json.dumps(describe(trainer)))
    for part, saved in said.items():
        pairs = saved.items() if isinstance(saved, dict) else [(part, saved)]
        for name, value in pairs:
            new = now.get(part, {}).get(name) if isinstance(saved, dict) else now.get(part)
            if new != value and name not in FREE:
                raise ValueError(f"a resumed run keeps its {part}: {name} must be {value}, got {new}")
    tensors, about = read_tensors(Path(folder) / "resume.safetensors")
    restore(trainer.tensors(), tensors, folder)
    trainer.step, trainer.seconds = int(about["step"]), float(about["seconds"])
    if dist.rank() == 0 and (path := Path(folder) / "log.jsonl").exists():
        kept = []
        for line in path.read_bytes().splitlines():
            with suppress(ValueError, KeyError):                        # a line may have been cut short
                kept += [line + b"\n"] if json.loads(line)["step"] <= trainer.step else []
        write(path, kept)                                               # each step once, after a kill too
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
        UNetConfig(**said["network"]), TrainConfig(**said["training"]), schedule(said["schedule"])
        torch.Size(said["examples"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{path} is damaged: {error!r}") from error
    return said


def restore(into: dict[str, Tensor], tensors: dict[str, Tensor], folder: Folder) -> None:
    """Copies each tensor in place: memory format and device stay those of `into`."""
    if {k: v.shape for k, v in into.items()} != {k: v.shape for k, v in tensors.items()}:
        raise OSError(f"the weights in {folder} aren't those of the network that its config.json describes")
    with torch.no_grad():
        for name, v in into.items():
            v.copy_(tensors[name])
