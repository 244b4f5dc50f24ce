"""What `make bench` measured, for the notebooks: benchmarks/results.json beside the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results.json"


def read(stage: str, path: Path = RESULTS) -> dict[str, Any] | None:
    """What a stage measured, or None, after a line that says what to do about it."""
    measured = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if stage not in measured:
        print(f"No results of the stage {stage!r} are here: run `make bench` in the project's folder.")
    return measured.get(stage)
