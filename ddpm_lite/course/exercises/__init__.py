"""Exercises: a stub in the notebook, and here its solution, its known mistakes and its hints, each once.

`check` says which mistake was made and what to look at, never the answer.
"""

from __future__ import annotations

import inspect
import linecache
import pkgutil
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from .. import journal, no_torch
from .compare import difference

TRIALS = 3                                                              # hidden inputs per check


class Mistake(NamedTuple):
    """A wrong function (or value) that readers arrive at, and what they should look at."""

    wrong: Any
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One task. Its solution is a function, compared at hidden inputs, or a value (`inputs` left out)."""

    name: str
    solution: Any                                                       # written as it would be taught
    inputs: Callable[[np.random.Generator], tuple] | None = None        # t >= 3, betas all different
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)       # by what the reader did
    hints: tuple[str, ...] = ()                                         # in steps, the last nearly there
    accepts: Callable[[Any], bool | str] | None = None              # many right answers: True, or what is off
    rtol: float = 1e-4

    def results(self, answer: Any) -> list[Any]:
        """What the answer gives for each hidden input; a value gives itself."""
        return [answer] if self.inputs is None else [answer(*self.arguments(k)) for k in range(TRIALS)]

    def arguments(self, k: int) -> tuple:
        """The k-th hidden input, made afresh: a function may spoil it."""
        assert self.inputs is not None
        return self.inputs(np.random.default_rng([k, zlib.crc32(self.name.encode())]))


EXERCISES: dict[str, Exercise] = {}
NOTEBOOKS: dict[str, list[str]] = {}                                    # the names of exercises
_hints_given: dict[str, int] = {}


def of(notebook: str) -> Callable[[Exercise], None]:
    """What registers the exercises of a notebook, such as "06"."""
    def register(exercise: Exercise) -> None:
        if exercise.name in EXERCISES:
            raise ValueError(f"an exercise is called {exercise.name!r} already; names must be unique")
        EXERCISES[exercise.name] = exercise
        NOTEBOOKS.setdefault(notebook, []).append(exercise.name)

    return register


def load() -> None:
    """Registers all exercises. Their modules import nothing heavy."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if module.startswith("nb"):
            import_module(f"{__name__}.{module}")


def find(name: str) -> Exercise:
    load()
    if name not in EXERCISES:
        raise ValueError(f"no exercise is called {name!r}; there are {', '.join(sorted(EXERCISES))}")
    return EXERCISES[name]


def hint(name: str) -> None:
    """Prints the next hint."""
    hints = find(name).hints
    k = _hints_given.get(name, 0)
    _hints_given[name] = k + 1
    if k < len(hints):
        print(f"Hint {k + 1} of {len(hints)}: {hints[k]}")
    else:
        print(f"That was the last hint for {name}. Run check again: it says what differs.")


def check(name: str, answer: Any) -> None:
    """Prints whether the answer is right, and if not, which mistake was made and what to look at."""
    try:
        said = verdict(find(name), answer)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        said = _untouched(name)
        print(f"{name}: not checked here. {no_torch.WHY}")
    else:
        print(said)
    if said != _untouched(name):
        journal.note(name, said == _right(name))


def verdict(exercise: Exercise, answer: Any) -> str:
    name = exercise.name
    if answer is None or answer is ...:
        return _untouched(name)
    if exercise.inputs is not None:
        if not callable(answer):
            return f"{name}: expected a function, got {type(answer).__name__}."
        wanted, args = inspect.signature(exercise.solution), exercise.arguments(0)
        try:
            inspect.signature(answer).bind(*args)
        except TypeError:
            return f"{name}: it must take the arguments {wanted}, yours takes {inspect.signature(answer)}."
        except ValueError:                                              # a built-in without a signature
            pass
    try:
        if exercise.accepts is not None:
            said = exercise.accepts(answer)
            if said is True:
                return _right(name)
            why = said if isinstance(said, str) else "It doesn't have the property that was asked for."
            return f"{name}: not yet. {_known(exercise, exercise.results(answer)) or why}"
        got = exercise.results(answer)
        if side := _side_effect(exercise, answer, got):
            return f"{name}: not yet. {side}"
    except NotImplementedError:
        return _untouched(name)
    except Exception as error:
        return f"{name}: {_cause(error, answer)}"
    off = _first_difference(got, exercise.results(exercise.solution), exercise.rtol)
    if off and exercise.inputs is None:                                 # a value: don't say the right one
        off = re.sub(r"(ours is .*), expected .*", r"\1, which isn't it.", off)
    return _right(name) if off is None else f"{name}: not yet. {_known(exercise, got) or off}"


def _right(name: str) -> str:
    return f"{name}: right. ✓"


def _untouched(name: str) -> str:
    return f'{name}: not tried yet. Fill in your answer, run the cell again; hint("{name}") helps.'


def _first_difference(got: list, want: list, rtol: float) -> str | None:
    for k, (mine, theirs) in enumerate(zip(got, want, strict=True)):
        if off := difference(mine, theirs, rtol):
            return off if len(got) == 1 else f"At hidden input {k + 1} of {len(got)}: {off}"
    return None


def _known(exercise: Exercise, got: list) -> str | None:
    """The hint of the known mistake that gives the same results."""
    for what, mistake in exercise.mistakes.items():
        try:
            same = _first_difference(got, exercise.results(mistake.wrong), exercise.rtol) is None
        except Exception:                                               # a wrong one that can't run isn't it
            same = False
        if same:
            return f"It looks like this: {what}. {mistake.hint}"
    return None


def _side_effect(exercise: Exercise, answer: Any, got: list) -> str | None:
    if exercise.inputs is None or got[0] is None:
        return None
    args, fresh = exercise.arguments(0), exercise.arguments(0)
    again = answer(*args)
    for name, mine, theirs in zip(inspect.signature(exercise.solution).parameters, args, fresh, strict=False):
        if hasattr(mine, "shape") and difference(mine, theirs, 0):
            return f"Your function changes its argument {name} in place: work on a copy."
    if difference(again, got[0], 0):
        return "Two calls with the same arguments give two results: draw no noise, use what is handed in."
    return None


def _cause(error: Exception, answer: Any) -> str:
    """The error in a line, with the reader's own line that raised it."""
    text = f"it stopped with {type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}"
    home = getattr(getattr(answer, "__code__", None), "co_filename", None)
    at, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == home:
            at = linecache.getline(step.tb_frame.f_code.co_filename, step.tb_lineno).strip()
        step = step.tb_next
    return f"{text} (in your line: {at})" if at else text
