"""The tables of README.md, from results.json alone."""
from collections.abc import Iterable
from typing import Any

from benchmarks import ROOT
from benchmarks.goals import Results, goals
from benchmarks.labels import OURS, PEERS

README = ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- results, made by `make generated` -->\n", "<!-- end of results -->\n"


def table(results: Results) -> str:
    """Markdown: the goals, then a table per stage, each with when and where it was measured."""
    parts = [section("Goals", rows(("goal", "wanted", "measured", ""), map(goal, goals(results))))]
    for stage, (title, make) in STAGES.items():
        if found := results.get(stage):
            parts.append(section(title, make(found) + "\n" + where(found)))
    return "\n".join(parts)


def section(title: str, text: str) -> str:
    return f"### {title}\n\n{text}"


def rows(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *map(tuple, body)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(lines[0]))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |\n"
                   for line in lines)


def goal(g: Any) -> tuple[str, ...]:
    wanted = ("at least " if g.least else "at most ") + g.form.format(g.limit)
    measured = "not measured" if g.value is None else g.form.format(g.value)
    return g.what, wanted, measured, {True: "met", False: "**not met**", None: ""}[g.met]


def where(found: Results) -> str:
    m = found["machine"]
    versions = ", ".join(f"{name} {m[name]}" for name in ("torch", *PEERS) if m.get(name))
    return f"{found['date']}; {m['cpu']}, {m['cores']} cores, {m['threads']} threads; {versions}.\n"


def quality(found: Results) -> str:
    body = []
    for name, net in found["networks"].items():
        said = f"rate {net['rate']:g}, EMA {net['ema']:g}" if "rate" in net else \
            "its example's" if name != OURS else "ours"
        each = " ".join(f"{ratio:.1f}" for ratio in net["ratios"])
        body.append((name, said, f"{net['steps']} x {net['batch']}", f"{net['ratio']:.2f}", each,
                     f"{net['coverage']:.3f} ({net['real_coverage']:.3f})", f"{net['copies']:.2%}",
                     f"{net['neighbour']:.2f}"))
    head = ("network", "recipe", "steps x batch", "distance over real", "each seed", "coverage (real)",
            "copies", "neighbour")
    return (f"{found['seconds']:g} seconds, {found['seeds']} training seeds, {found['draws']} sets of "
            f"{found['samples']} samples each.\n\n" + rows(head, body))


def speed(found: Results) -> str:
    body = []
    for shape, at in found["shapes"].items():
        for name, net in at["networks"].items():
            steps = [cell for s in (net["training"], net["sampling"]) for cell in (
                f"{s['images_per_second']:.0f}", f"{s['ours_over_this']:.2f}",
                f"{s['share_of_conv_peak']:.0%}")]
            body.append((f"{shape}, batch {at['batch']}", name, f"{net['parameters']:,}", *steps))
    head = ("images", "network", "parameters", "training, images/s", "our time over its", "of peak",
            "sampling, images/s", "our time over its", "of peak")
    peaks = "; ".join(f"{kind} {p['gflops']:.0f} GFLOP/s ({p['of']})" for kind, p in found["peaks"].items())
    return f"Peaks in the same run: {peaks}.\n\n" + rows(head, body)


def sampling(found: Results) -> str:
    counts = sorted({int(count) for walk in found["ratios"].values() for count in walk})
    body = [(name, *(f"{walk[str(c)]:.2f}" if str(c) in walk else "" for c in counts))
            for name, walk in found["ratios"].items()]
    said = (f"Distance over that of real images, mean of {found['draws']} sets of {found['samples']} samples."
            f" A set scatters by {found['scatter']:.2f} (standard deviation, median over the table).")
    return (f"{said}\n\n" + rows(("sampler", *(f"{c} steps" for c in counts)), body))


def footprint(found: Results) -> str:
    imports = [(name, f"{seconds:.2f} s") for name, seconds in found["import_added_s"].items()]
    memory = found["memory_mb"]
    trainings = list(next(iter(memory.values())))
    return (rows(("import", f"over `import torch` ({found['import_torch_s']:.2f} s)"), imports) + "\n"
            + rows(("training", *trainings),
                   [(name, *(f"{use[t]:.0f} MB" for t in trainings)) for name, use in memory.items()]))


def choices(found: Results) -> str:
    expected, shapes = found["expected"], list(found["step"])
    steps = [(what, why, *(f"{found['step'][shape][what]:.2f}" if what in found["step"][shape] else ""
                           for shape in shapes)) for what, why in expected["step"].items()]
    learned = [(what, expected["learned"][what], " ".join(f"{loss:.4f}" for loss in at["loss"]),
                " ".join(f"{far:.2f}" for far in at["distance"])) for what, at in found["learned"].items()]
    said = (f"After {found['steps']} steps of {found['batch']} digits, for each training seed: the loss held "
            "out (another schedule's is another loss), and the distance over that of real images.")
    return (f"Time of a training step at batch {found['batch']}, over ours.\n\n"
            + rows(("instead", "expected", *shapes), steps) + f"\n{said}\n\n"
            + rows(("instead", "expected", "loss", "distance"), learned))


STAGES = {"quality": ("Quality at equal seconds, digits", quality),
          "speed": ("Speed at equal parameters", speed),
          "sampling": ("Quality against sampling steps, digits", sampling),
          "footprint": ("Footprint", footprint),
          "choices": ("Choices, one changed at a time", choices)}


def readme(results: Results) -> str:
    """benchmarks/README.md with the tables of these results in it."""
    text = README.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{README}: expected the lines {BEGIN.strip()!r} and {END.strip()!r} once each")
    head, rest = text.split(BEGIN)
    return head + BEGIN + table(results) + END + rest.split(END)[1]
