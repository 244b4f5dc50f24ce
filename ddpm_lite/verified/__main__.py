"""python -m ddpm_lite.verified sync | check | report | audit | show | certify"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .. import atomic


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 all is well, 1 something is short, 2 bad arguments."""
    parser = argparse.ArgumentParser(prog="python -m ddpm_lite.verified", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="write the equations into notebooks")
    sync.add_argument("paths", nargs="+", type=Path, metavar="NOTEBOOK|FOLDER")
    sync.add_argument("--check", action="store_true", help="change nothing; exit 1 if something would change")
    check = commands.add_parser("check", help="every equation of the notebooks registered, fresh and proved")
    check.add_argument("paths", nargs="+", type=Path, metavar="NOTEBOOK|FOLDER")
    report = commands.add_parser("report", help="prove everything, try every mutant, judge every claim")
    report.add_argument("--json", action="store_true")
    audit = commands.add_parser("audit", help="the verdicts on the source documents")
    audit.add_argument("--json", action="store_true")
    show = commands.add_parser("show", help="one equation: LaTeX, proof, mutants")
    show.add_argument("ids", nargs="+", metavar="ID")
    certify = commands.add_parser("certify", help="the Coq kernel's verdict on every algebraic statement")
    certify.add_argument("--out", type=Path, default=Path("build/certify"), metavar="FOLDER",
                         help="where theorems and the kernel's answers are kept")
    certify.add_argument("--check", action="store_true", help="exit 1 if the stored one says otherwise")
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except ValueError as fault:
        print(fault, file=sys.stderr)
        return 2


def notebooks(paths: list[Path]) -> list[Path]:
    """The notebooks named, and those in the folders named."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.ipynb")) if path.is_dir() else [path]
    if not found:
        raise ValueError(f"no notebooks in {', '.join(map(str, paths))}")
    return found


def _sync(options: argparse.Namespace) -> int:
    from .sync import faults, sync
    if options.check:
        found = [fault for path in notebooks(options.paths) for fault in faults(path)]
        print("\n".join(found) or "every block is as the registry has it")
        return bool(found)
    for path in notebooks(options.paths):
        print(f"{path}: {'written' if sync(path) else 'up to date'}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from .registry import entries
    from .report import trials
    from .sync import faults, used
    paths = notebooks(options.paths)
    found = [fault for path in paths for fault in faults(path)]
    names = list(dict.fromkeys(name for path in paths for name in used(path)))
    found += [f"unregistered equation {name!r}" for name in names if name not in entries()]
    known = [name for name in names if name in entries()]
    found += [f"{line.id}: {line.fault}" for line in trials(known) if line.fault]
    print("\n".join(found) or f"{len(names)} equations registered, fresh and proved")
    return bool(found)


def _report(options: argparse.Namespace) -> int:
    from .report import report, text
    numbers, short = report()
    print(json.dumps(numbers, indent=1) if options.json else text(numbers))
    return bool(short)


def _audit(options: argparse.Namespace) -> int:
    from .audit import claims
    from .audit_table import table
    if options.json:
        names = ("id", "verdict", "corrected", "binding", "reason")
        rows = [{name: getattr(claim, name) for name in names} for claim in claims().values()]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        print(table())
    return 0


def _show(options: argparse.Namespace) -> int:
    from .prove import Proof
    from .registry import entry
    from .trial import attempt
    bad = 0
    for id in options.ids:
        trial = attempt(entry(id))
        print(f"{id}\n  {trial.entry.statement.latex}\n{Proof(trial)!r}")
        if not trial.ok:
            print(f"FAILS: {trial.fault}")
            bad = 1
        if trial.survived:
            print("survived:", *trial.survived, sep="\n  ")
    return bad


def _certify(options: argparse.Namespace) -> int:
    from . import certificates
    from .certify import certify
    from .coqc import version
    try:
        summary = certify(options.out)
    except FileNotFoundError as fault:
        print(f"certify: {fault}", file=sys.stderr)
        return 1
    print(summary.text())
    if summary.failed():
        return 1
    path = Path(__file__).parent / "coq" / certificates.NAME
    text = certificates.written(summary, version())
    if options.check:
        if same := path.exists() and certificates.alike(path.read_text(encoding="utf-8"), text):
            print("the stored certificate says the same")
        else:
            print(f"{path.name} says otherwise; run make certify", file=sys.stderr)
        return not same
    atomic.write(path, [text.encode()])
    return 0


COMMANDS = {"sync": _sync, "check": _check, "report": _report, "audit": _audit, "show": _show,
            "certify": _certify}

if __name__ == "__main__":
    sys.exit(main())
