"""What a long bench has done, in build/bench, by a digest of all that it depends on."""
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import ROOT
from benchmarks.record import PACKAGES, installed
from ddpm_lite.atomic import write
from ddpm_lite.files import read_tensors, write_tensors

FOLDER = ROOT / "build" / "bench"
CODE = ("batches config ema loss metrics prediction process sample schedule train".split())


def code(models: bool) -> str:
    """A digest of the code that training and judging run through; of our networks' only if `models`."""
    files = [ROOT / "ddpm_lite" / f"{name}.py" for name in CODE] + [ROOT / "benchmarks" / "recipes.py"]
    files += sorted((ROOT / "ddpm_lite" / "models").glob("*.py")) if models else []
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def digest(net: nn.Module) -> str:
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in net.state_dict().values())).hexdigest()


def place(key: dict[str, Any], ending: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(key | {name: installed(name) for name in PACKAGES}, sort_keys=True)
    return FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.{ending}"


def numbers(key: dict[str, Any], compute: Callable[[], Any]) -> Any:
    path = place(key, "json")
    if not path.exists():
        write(path, [json.dumps(compute()).encode()])
    return json.loads(path.read_text())


def networks(key: dict[str, Any], make: Callable[[], nn.Module], compute: Callable[[], dict[str, nn.Module]]
             ) -> dict[str, nn.Module]:
    """Networks of one kind and their names, kept as one file of weights."""
    path = place(key, "safetensors")
    if not path.exists():
        weights = {f"{name}/{part}": v.contiguous() for name, net in compute().items()
                   for part, v in net.state_dict().items()}
        write_tensors(path, weights, {})
    weights, found = read_tensors(path)[0], {}
    for name in dict.fromkeys(key.split("/")[0] for key in weights):
        found[name] = net = make().eval().requires_grad_(False)
        start = f"{name}/"
        net.load_state_dict({k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)})
        net.to(memory_format=torch.channels_last)                       # type: ignore[call-overload]
    return found
