"""Everything about a GPU in one call, under ten minutes: is it right, how fast is it, and against what.

    python -m benchmarks.gpu --json build/gpu.json

Needs torch and ddpm_lite; diffusers is compared with if it is there. Each part runs guarded: one that fails
is reported with its reason and the rest goes on. Exit code 0: all that ran passed; 1: something failed.
"""
import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_check, gpu_speed
from benchmarks.gpu_parts import Bench, LeftOut, Row
from ddpm_lite.atomic import write

PARTS: dict[str, Callable[[Bench], Iterable[Row]]] = {
    "device": gpu_speed.facts,
    "schedule": gpu_check.schedule,
    "process": gpu_check.process,
    "samplers": gpu_check.samplers,
    "unet float32": gpu_check.unet_float32,
    "unet tf32": gpu_check.unet_tf32,
    "unet bfloat16": gpu_check.unet_bfloat16,
    "trainer": gpu_check.trainer,
    "checkpoint": gpu_check.checkpointed,
    "no waiting, training": gpu_check.no_waiting,
    "no waiting, labels": gpu_check.no_waiting_labels,
    "no waiting, sampling": gpu_check.no_waiting_sampling,
    "peaks": gpu_speed.peaks,
    "training": gpu_speed.training,
    "training diffusers": gpu_speed.training_peer,
    "sampling": gpu_speed.sampling,
    "training compiled": gpu_speed.training_compiled,
    "training graphs": gpu_speed.training_graphs,
    "training diffusers compiled": gpu_speed.training_peer_compiled,
}


def run(part: Callable[[Bench], Iterable[Row]], bench: Bench) -> dict[str, Any]:
    """The part's rows; passed, failed (a row beyond its limit, an exception) or left out; and why."""
    rows: list[Row] = []
    start, status, why = time.perf_counter(), "passed", ""
    try:
        bench.in_time()
        for row in part(bench):
            rows.append(row)
            print(f"  {row}", flush=True)
        if bad := [row.what for row in rows if not row.ok]:
            status, why = "failed", "beyond its limit: " + "; ".join(bad)
    except LeftOut as reason:
        status, why = "left out", str(reason)
    except Exception as error:                                          # the rest is to go on
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "ddpm_lite" in f.filename]
        place = f", at {Path(ours[-1].filename).name}:{ours[-1].lineno}: {ours[-1].line}" if ours else ""
        status, why = "failed", " ".join(f"{type(error).__name__}: {error}".split())[:400] + place
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    return {"status": status, "why": why, "seconds": round(time.perf_counter() - start, 2),
            "rows": [row._asdict() | {"ok": row.ok} for row in rows]}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny networks, a few seconds: to test the code")
    parser.add_argument("--json", type=Path, help="where to write all of it; kept up to date part by part")
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("benchmarks.gpu: this torch sees no CUDA device; --small --device cpu tests the code",
              file=sys.stderr)
        return 1
    device = torch.device("cuda:0" if args.device == "cuda" else "cpu")
    bench = Bench(device, args.small, time.perf_counter(), {})
    parts: dict[str, Any] = {}
    for name, part in PARTS.items():
        print(name, flush=True)
        parts[name] = run(part, bench)
        print(f"  {parts[name]['status']} in {parts[name]['seconds']:.1f} s"
              + (f": {parts[name]['why']}" if parts[name]["why"] else ""), flush=True)
        if args.json:
            said = {"device": str(device), "small": args.small, "parts": parts}
            args.json.parent.mkdir(parents=True, exist_ok=True)
            write(args.json, [json.dumps(said, indent=1).encode()])
    count = {status: sum(p["status"] == status for p in parts.values())
             for status in ("passed", "failed", "left out")}
    print(", ".join(f"{n} {status}" for status, n in count.items())
          + f", in {time.perf_counter() - bench.start:.0f} s")
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
