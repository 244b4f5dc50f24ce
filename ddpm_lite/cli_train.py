"""What `ddpm-lite train` does; the comment beside an option is its help."""
import contextlib
import math
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ddpm_lite import checkpoint, dist
from ddpm_lite.config import TrainConfig
from ddpm_lite.mapped import check_name, train_set
from ddpm_lite.models import UNet, UNetConfig
from ddpm_lite.prediction import choose
from ddpm_lite.schedule import SCHEDULES, Schedule
from ddpm_lite.train import Trainer


@dataclass(frozen=True, kw_only=True)
class Train(TrainConfig):
    """Train a UNet on a data set; the run folder then samples, evaluates, and goes on with --resume.

    One minute of a laptop makes readable digits: ddpm-lite train --seconds 60 --out runs/digits

    Give --steps, --seconds or both: whichever is spent first ends the training.
    """

    out: Path  # Run folder: the averaged weights, config, log, and what --resume needs.
    # Data set: digits (bundled), mnist, fashion_mnist or cifar10 (downloaded), or a .npy file of uint8 or
    # float32 [n, c, h, w], or a folder with train.npy in it, read as the steps ask for its images.
    data: str = "digits"
    labels: bool = False  # Train on the classes too, so that `sample --label` works.
    schedule: str = "cosine"  # Noise schedule: linear or cosine.
    T: int = 1000  # Number of noise steps, at least 2.
    width: int = UNetConfig.width  # Channels of the UNet's first level, a multiple of 8.
    # Channels of each level, in units of --width; each halves the size.
    levels: tuple[int, ...] = tuple(UNetConfig.levels)
    blocks: int = UNetConfig.blocks  # Residual blocks per level, on the way down and on the way up.
    dropout: float = 0.0  # Share of activations dropped in the residual blocks, in [0, 1).
    save_every: int = 100  # Steps between two saves.
    resume: bool = False  # Go on with the run in --out as if it had never stopped, its options kept.

    def run(self) -> int:
        if self.save_every < 1:
            raise ValueError(f"save_every must be at least 1, got {self.save_every}")
        held = (self.out / "config.json").exists()
        resume = self.resume or held and dist.elastic()               # the same command once more
        if held and not resume:
            raise FileExistsError(f"{self.out} already holds a run: add --resume to go on with it, "
                                  "or give another --out")
        sched = choose("schedule", SCHEDULES, self.schedule)(T=self.T)
        check_name(self.data)
        network = UNetConfig(width=self.width, levels=self.levels, blocks=self.blocks, dropout=self.dropout,
                             learned_variance=self.loss == "hybrid")    # a wrong word shows before a download
        with dist.together():
            dist.start(dist.pick_device(self.device))
            trainer = self.trainer(network, sched)
            if resume:
                checkpoint.resume(self.out, trainer)
            checkpoint.save(self.out, trainer)                          # a full disk shows now
            if trainer.done:
                tell("the run's budget is spent; to train on, give more --steps or --seconds")
            with interrupts(trainer):
                self.loop(trainer)
            then = (f"draw images with: ddpm-lite sample {self.out} --png grid.png" if trainer.done else
                    f"interrupted; go on with: ddpm-lite train --out {self.out} --resume")
            tell(f"{self.out}: step {trainer.step}, {trainer.seconds:.0f} s, saved; {then}")
            dist.stop()
        return 0 if trainer.done else 1

    def trainer(self, network: UNetConfig, sched: Schedule) -> Trainer:
        self.check_budget()
        if dist.rank() > 0:
            dist.wait()                                                 # the first one downloads
        images, labels = train_set(self.data, self.labels)
        if dist.rank() == 0:
            dist.wait()
        torch.manual_seed(self.seed)                                    # for the first weights
        classes = 0 if labels is None else int(labels.max()) + 1
        return Trainer(UNet(replace(network, channels=images.shape[1], classes=classes)), sched, images, self,
                       labels)

    def loop(self, trainer: Trainer) -> None:
        saved = trainer.step
        budget, unit = (self.steps, "steps") if self.seconds is None else (math.ceil(self.seconds), "s")
        form = "{l_bar}{bar}| {n_fmt}/{total_fmt} " + unit + "{postfix}"
        hidden = True if dist.rank() > 0 else None                      # None: hidden if this is no terminal
        with tqdm(total=budget, bar_format=form, disable=hidden) as bar:
            for step in trainer.run():
                checkpoint.log(self.out, step)
                bar.set_postfix(step=step.step, loss=f"{step.loss:.4f}", refresh=False)
                bar.update(min(step.step if unit == "steps" else int(step.seconds), bar.total) - bar.n)
                if step.step - saved >= self.save_every:
                    checkpoint.save(self.out, trainer)
                    saved = step.step
        if trainer.step > saved:
            checkpoint.save(self.out, trainer)


def tell(line: str) -> None:
    if dist.rank() == 0:
        print(line, file=sys.stderr)


@contextlib.contextmanager
def interrupts(trainer: Trainer) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the training after the step in hand; a second one acts as ever."""

    def handler(number: int, frame: object) -> None:
        trainer.stop()
        signal.signal(number, before[number])

    before: dict[int, Any] = {n: signal.signal(n, handler) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
