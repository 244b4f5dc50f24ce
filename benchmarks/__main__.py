"""`python -m benchmarks [stages] [--seconds 60 --seeds 3]`, or `python -m benchmarks table [--write]`."""
import argparse
import importlib
import sys
from collections.abc import Sequence

from benchmarks import record, table
from benchmarks.labels import PEERS

STAGES = ("footprint", "speed", "quality", "sampling", "choices")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures, writes results.json, prints tables.")
    parser.add_argument("stages", nargs="*", metavar="stage",
                        help=f"{', '.join(STAGES)} (default: all), or table: print what was measured before")
    parser.add_argument("--seconds", type=float, default=60, help="budget of a training (quality, sampling)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings per network (quality)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the timing (speed, choices)")
    parser.add_argument("--samples", type=int, default=1000,
                        help="digits per set (quality, sampling, choices)")
    parser.add_argument("--write", action="store_true", help="with table: into benchmarks/README.md")
    args = parser.parse_args(argv)
    stages = args.stages or STAGES
    if wrong := [stage for stage in stages if stage not in (*STAGES, "table")]:
        parser.error(f"expected {', '.join(STAGES)} or table, got {wrong[0]}")
    options = {"footprint": {}, "speed": {"rounds": args.rounds},
               "quality": {"seconds": args.seconds, "seeds": args.seeds, "n": args.samples},
               "sampling": {"seconds": args.seconds, "n": args.samples},
               "choices": {"rounds": args.rounds, "n": args.samples}}
    if stages != ["table"] and any(record.installed(peer) is None for peer in PEERS):
        print("benchmarks: the peers aren't installed here: run `make bench`", file=sys.stderr)
        return 1
    for stage in stages:
        if stage != "table":
            record.save(stage, importlib.import_module(f"benchmarks.{stage}").run(**options[stage]))
        if stage != "table" or args.write:
            table.README.write_text(table.readme(record.read()))
    print(table.table(record.read()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
