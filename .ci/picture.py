"""Draws notebooks/images/digits.png, README's picture, from a run: `python .ci/picture.py runs/digits`."""
import sys
from pathlib import Path

import torch

import ddpm_lite as dl
from ddpm_lite.course import grid

TIMES = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]

run = dl.checkpoint.load(sys.argv[1])
noise = dl.seeded_noise(0)
digits, labels = dl.data.digits("test", labels=True)
chosen = digits[[int((labels == k).nonzero()[0]) for k in (3, 0)]]
eps = noise(chosen)
there = torch.stack([dl.q_xt(run.sched, chosen, t).sample(eps) for t in TIMES], dim=1)
start = noise(chosen)
walk = {1000: start} | {s.t: s.x for s in dl.ancestral(run.net, run.sched, start, clip=1.0, noise=noise)}
back = torch.stack([walk[t] for t in reversed(TIMES)], dim=1)
page = torch.cat([there, back]).flatten(0, 1)
figure = grid(page, columns=len(TIMES), rows=["forward"] * 2 + ["back"] * 2, size=0.7)
path = Path(__file__).parent.parent / "notebooks/images/digits.png"
path.parent.mkdir(exist_ok=True)
figure.savefig(path, dpi=110, metadata={"Software": None})
print(path.name, path.stat().st_size, "bytes")
