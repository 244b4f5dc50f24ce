"""Files of tensors and of images, checked as they are read."""
import io
import json
import zlib
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_lite.atomic import write

Tensors = dict[str, Tensor]


def write_tensors(path: Path, tensors: Tensors, about: dict[str, str]) -> None:
    write(path, [safetensors.torch.save(tensors, about | {"crc32": checksum(tensors, about)})])


def read_tensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """The tensors and what was written about them. Raises OSError if anything is missing or damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise OSError(f"{path} is missing, cut short or damaged: {error}") from error
    if checksum(tensors, about) != about.pop("crc32", None):
        raise OSError(f"{path} is damaged: its checksum is wrong")
    return tensors, about


def checksum(tensors: Tensors, about: dict[str, str]) -> str:
    """Of all that the file says: names, types, shapes and numbers, and what is written about them."""
    rest = {name: [str(v.dtype), *v.shape] for name, v in tensors.items()} | about | {"crc32": ""}
    crc = zlib.crc32(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes(), crc)
    return str(crc)


def npy_header(*shape: int) -> bytes:
    """The beginning of a .npy file of float32."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


def read_npy(path: Path) -> Float[Tensor, "_ c h w"]:
    """Images in [-1, 1]. Raises OSError if the file is no whole .npy, ValueError if it holds no images."""
    try:
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise OSError(f"{path} is cut short, or is no .npy file of numbers: {error}") from error
    if array.ndim != 4 or array.dtype != np.float32 or array.size == 0:
        raise ValueError(f"{path} must hold float32 [n, c, h, w], got {array.dtype} {list(array.shape)}")
    low, high = array.min(), array.max()                                # NaN if there is one
    if not -1 - 1e-6 <= low <= high <= 1 + 1e-6:
        raise ValueError(f"{path} must lie in [-1, 1], got {low:g} to {high:g}")
    return torch.from_numpy(array)
