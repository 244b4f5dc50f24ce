"""`python -m binder.check [NOTEBOOK...]`: what mybinder.org would make of this repository, and how it runs.

1. repo2docker's own build pack reads the repository: is the Dockerfile what we expect, is nothing ignored?
2. The Dockerfile's steps in a clean virtual environment: do the pins install, how large is the image?
3. The course in it, with one core, no network and 1 GB of memory, then 2 GB: does every notebook finish?
4. The training with less than it would take: does it say so, and go on smaller?
"""
import argparse
import sys
from pathlib import Path

from binder.check import ROOT, course, dockerfile, image

GB, OURS, PICTURE = 2.5, 1.5, 10                  # goals: image unpacked, what of it is ours; seconds
SHORT = 480                                       # MB: too little for notebook 08 as it stands


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m binder.check", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; all of notebooks/ if left out")
    parser.add_argument("--memory", type=int, action="append", metavar="MB",
                        help="a limit, once for each; 1024 and 2048 if left out")
    parser.add_argument("--dockerfile", action="store_true", help="the first step alone")
    options = parser.parse_args()
    limits = options.memory or [1024, 2048]
    faults = dockerfile.faults(dockerfile.text())
    expected = ", ".join(dockerfile.EXPECTED)
    say("Dockerfile", "; ".join(faults) or f"as expected: {expected}; nothing is ignored")
    if not options.dockerfile:
        image.make()
        faults += [*sized(), *shown(min(limits))]
        paths = options.notebooks or sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
        for mb in limits:
            faults += limited(paths, mb)
        faults += short()
    for fault in faults:
        print(f"binder-check: {fault}", file=sys.stderr)
    return int(bool(faults))


def sized() -> list[str]:
    sizes = image.sizes()
    parts = [f"{name} {gb:.2f}{' (assumed)' * (name in image.BASE)}" for name, gb in sizes.items()]
    total, ours = sum(sizes.values()), sum(gb for name, gb in sizes.items() if name not in image.BASE)
    say("image", f"about {total:.1f} GB unpacked (goal {GB}): {', '.join(parts)}")
    return [f"what we add to the image has {ours:.1f} GB, the goal is {OURS}"] if ours > OURS else []


def shown(mb: int) -> list[str]:
    seconds, worked = course.first_picture(mb)
    say("first picture", f"{seconds:.1f} s after the server's start, {worked:.1f} s of the processor's work "
                         f"(goal {PICTURE} s)")
    late = f"the processor worked {worked:.0f} s for the first picture, the goal is {PICTURE}"
    return [late] if worked > 2 * PICTURE else []


def limited(paths: list[Path], mb: int) -> list[str]:
    runs: list[course.Run] = []
    for path in paths:
        runs.append(course.run(path, mb))
        say(path.stem, f"{runs[-1].seconds:.0f} s {runs[-1].fault}".strip())
    print(f"\nThe course with {mb} MB, one core, no network; the limit is a {runs[0].kind}.\n")
    print("\n".join(course.table(runs)), end="\n\n", flush=True)
    return [f"{one.name} with {mb} MB: {one.fault}" for one in runs if one.fault]


def short() -> list[str]:
    one = course.run(ROOT / "notebooks/08_training.ipynb", SHORT)
    say(f"{one.name}, {SHORT} MB", one.fault or one.said or "it finished and said nothing")
    fault = one.fault or ("" if one.said else "it doesn't say that memory is short")
    return [f"{one.name} with {SHORT} MB: {fault}"] if fault else []


def say(what: str, result: str) -> None:
    print(f"{what:24} {result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
