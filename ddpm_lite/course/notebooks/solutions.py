"""Notebooks with every exercise solved, for lecturers: each solution from the place beside its check."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import nbformat

from ..exercises import find

CHECK = re.compile(r'^check\("(\w+)", ', re.M)
NOTE = "*The exercises are solved in this copy, for lecturers. `make solutions` made it; changes get lost.*"


def filled(notebook: Any) -> list[str]:
    """Puts the solutions in place of the stubs, takes the outputs out; the names of the exercises."""
    names = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if found := CHECK.search(cell.source):
            names.append(found[1])
            cell.source = solved(cell.source, found[1])
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(NOTE, id="solutions"))
    return names


def solved(source: str, name: str) -> str:
    """The source of an exercise's cell with the stub, a function or a value of this name, filled."""
    found, solution = stub(source, name), find(name).solution
    if isinstance(found, ast.FunctionDef):
        imports, parts = needs(solution)
        new = "\n".join(imports) + "\n\n\n" * bool(imports) + "\n\n\n".join([*parts, code(solution)])
    else:
        new = f"{name} = {solution!r}"
    return put(source, found, new)


def stub(source: str, name: str) -> ast.stmt:
    """The statement that defines the answer: a function or a value of this name."""
    [found] = [node for node in ast.parse(source).body
               if isinstance(node, ast.FunctionDef) and node.name == name
               or isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name]
    return found


def put(source: str, found: ast.stmt, new: str) -> str:
    """The source with `new` in the place of that statement."""
    lines = source.split("\n")
    return "\n".join([*lines[:found.lineno - 1], new, *lines[found.end_lineno:]])


def code(function: FunctionType) -> str:
    return inspect.getsource(function).rstrip()


def needs(function: FunctionType) -> tuple[list[str], list[str]]:
    """What a function takes from its module: lines of imports, and sources of constants and functions."""
    imports: list[str] = []
    parts: list[str] = []
    function = inspect.unwrap(function)                                 # tests wrap it, to check its types
    for name in dict.fromkeys(_names(function.__code__)):
        if name not in function.__globals__ or hasattr(builtins, name):
            continue
        value = function.__globals__[name]
        if isinstance(value, ModuleType):
            imports.append(f"import {value.__name__}" + f" as {name}" * (value.__name__ != name))
        elif callable(value) and value.__module__ != function.__module__:
            imports.append(f"from {value.__module__} import {value.__name__}")
        elif isinstance(value, FunctionType):
            more, before = needs(value)
            imports += more
            parts += [*before, code(value)]
        else:
            parts.append(f"{name} = {value!r}")
    return sorted(set(imports)), list(dict.fromkeys(parts))


def _names(block: CodeType) -> Iterator[str]:
    yield from block.co_names
    for inner in block.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def wrong(notebook: Any) -> Iterator[str]:
    """Of an executed copy: every exercise whose check didn't say that it is right."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (found := CHECK.search(cell.source)):
            said = "".join(output.get("text", "") for output in cell.outputs)
            if f"{found[1]}: right. ✓" not in said:
                yield f"exercise {found[1]}: its solution gets {said.strip()!r}"
