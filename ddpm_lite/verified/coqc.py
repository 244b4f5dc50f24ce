"""Runs the Coq kernel on generated theorems: many a file, two files at a time, results kept by content."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

from .. import atomic

HOW = "coqc isn't here; `apt-get install coq` brings it (Debian, Ubuntu), `brew install coq` on a Mac"
A_FILE, PROCESSES = 60, 2
REFUSED = re.compile(r"^refused (\w+)$", re.M)
FAULT = re.compile(r'line (\d+), characters .*?:\n(.*)', re.S)


def found() -> bool:
    """Is there a Coq compiler?"""
    return shutil.which("coqc") is not None


def source(name: str) -> str:
    """A file of `coq/`, which is shipped with the package."""
    return files(__package__).joinpath("coq", name).read_text(encoding="utf-8")


def coqc(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Writes the file and has Coq check it. FileNotFoundError, saying how to get Coq, when it isn't here."""
    if not found():
        raise FileNotFoundError(HOW)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    command = ["coqc", "-q", "-w", "none", path.name]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True)


def version() -> str:
    """Coq's version, such as 8.16.1."""
    return subprocess.run(["coqc", "--print-version"], capture_output=True, text=True).stdout.split()[0]


INDUCTIONS = ("forward", "posterior", "bound", "ddim")                 # written by hand, in coq/
# What Coq's real numbers rest on, and nothing else may.
REALS = {"ClassicalDedekindReals.sig_forall_dec", "ClassicalDedekindReals.sig_not_dec",
         "FunctionalExtensionality.functional_extensionality_dep"}


def theorems_in(name: str) -> list[str]:
    """The names of the theorems and lemmas in a file of `coq/`."""
    return re.findall(r"^(?:Theorem|Lemma) (\w+)", source(f"{name}.v"), re.M)


def assumptions(folder: Path, name: str) -> set[str]:
    """The axioms that a file of `coq/` rests on, by Coq's own count. ValueError when Coq refuses the file."""
    asked = "".join(f"Print Assumptions {one}.\n" for one in theorems_in(name))
    run = coqc(folder / f"{name}.v", source(f"{name}.v") + asked)
    if run.returncode:
        raise ValueError(f"coq/{name}.v: {run.stderr[:300]}")
    return set(re.findall(r"^([A-Za-z_][\w.']*)\s*(?::|$)", run.stdout, re.M)) - {"Axioms"}


class Kernel:
    """Coq, and what it said before: `answers` maps a text's hash to "" (accepted) or why not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "answers.json"
        self.answers: dict[str, str] = json.loads(self.store.read_text()) if self.store.exists() else {}

    def judge(self, texts: Iterable[str]) -> dict[str, str]:
        """For each text "" when the kernel accepts it, else "refused" or its words. NAME is a text's name."""
        wanted = list(dict.fromkeys(texts))
        new = [text for text in wanted if key(text) not in self.answers]
        batches = [new[i:i + A_FILE] for i in range(0, len(new), A_FILE)]
        with ThreadPoolExecutor(PROCESSES) as pool:
            for answers in pool.map(self._batch, batches):
                self.answers.update(answers)
                atomic.write(self.store, [json.dumps(self.answers, indent=0, sort_keys=True).encode()])
        return {text: self.answers[key(text)] for text in wanted}

    def _batch(self, texts: list[str]) -> dict[str, str]:
        answers: dict[str, str] = {}
        left = list(texts)
        stem = f"batch_{key(''.join(texts))[:12]}"
        while left:
            lines, starts = source("tactics.v").count("\n") + 1, []
            body = [text.replace("NAME", f"t{key(text)[:16]}") for text in left]
            for text in body:
                starts.append(lines)
                lines += text.count("\n")
            run = coqc(self.folder / f"{stem}.v", source("tactics.v") + "".join(body))
            fault = FAULT.search(run.stderr) if run.returncode else None
            if run.returncode and not fault:
                raise RuntimeError(f"coqc: {run.stderr[:500]}")
            done = sum(start <= int(fault[1]) for start in starts) - 1 if fault else len(left)
            refused = set(REFUSED.findall(run.stdout))
            for text in left[:done]:                                    # what stands before a fault passed
                answers[key(text)] = "refused" if f"t{key(text)[:16]}" in refused else ""
            if fault:
                answers[key(left[done])] = " ".join(fault[2].split())[:300]
            left = left[done + 1:]
        return answers


def key(text: str) -> str:
    """The hash of a text and of the tactics that prove it."""
    return hashlib.sha256((source("tactics.v") + text).encode()).hexdigest()
