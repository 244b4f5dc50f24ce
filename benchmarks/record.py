"""`results.json`: what each stage measured, when, on which machine and with which versions."""
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.labels import PEERS

RESULTS = ROOT / "benchmarks" / "results.json"
PACKAGES = ("torch", *PEERS)


def read(path: Path | None = None) -> dict[str, Any]:
    """Stage -> what it measured; "machine" and "date" beside it."""
    path = path or RESULTS
    return json.loads(path.read_text()) if path.exists() else {}


def save(stage: str, measured: dict[str, Any], path: Path | None = None) -> None:
    """Puts one stage's results in the place of its last ones; the file is whole at any moment."""
    from ddpm_lite.atomic import write

    done = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine(), **measured}
    write(path or RESULTS, [json.dumps({**read(path), stage: done}, indent=1).encode(), b"\n"])


def machine() -> dict[str, Any]:
    import torch

    return {"cpu": cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
            "python": platform.python_version(), **{name: installed(name) for name in PACKAGES}}


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
