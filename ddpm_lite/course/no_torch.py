"""A notebook of mathematics where there is no PyTorch: cells that need it say so, and the rest goes on.

A cell is skipped if it imports torch, or what of `ddpm_lite` needs it, or if it uses a name that only a
skipped cell would have made.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from IPython import get_ipython

WHY = "It needs PyTorch, which this environment doesn't have."
LIGHT = ("bundled", "course", "verified")                               # of ddpm_lite: what runs without it


def install() -> None:
    """Does nothing where torch is, or outside a notebook."""
    shell = get_ipython()
    if shell is not None and find_spec("torch") is None and not any(map(_ours, shell.ast_transformers)):
        shell.ast_transformers.append(Skip(shell.user_ns))


def _ours(transformer: Any) -> bool:
    return isinstance(transformer, Skip)


class Skip(ast.NodeTransformer):
    """Puts one line of output in the place of a cell that can't run."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known, self.missing = known, set[str]()

    def visit_Module(self, cell: ast.Module) -> ast.Module:
        made, used = set(_bound(cell)), set(_used(cell))
        lacks = used & self.missing - self.known.keys() - made
        if not (imports := loads_torch(cell)) and not lacks:
            self.missing -= made
            return cell
        self.missing |= made - self.known.keys() - set(dir(builtins))
        why = WHY if imports else f"It uses {', '.join(sorted(lacks))} of a cell that was skipped."
        return ast.parse(f"print({f'Skipped. {why}'!r})")


def loads_torch(tree: ast.AST) -> str | None:
    """The first import in it that loads torch."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, _, rest = name.partition(".")
            light = top == "ddpm_lite" and rest.partition(".")[0] in LIGHT
            if top in ("torch", "ddpm_lite") and not light:
                return name
    return None


def _bound(cell: ast.Module) -> Iterator[str]:
    """The names that running it defines for other cells."""
    for node in cell.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, ast.alias):
                yield (part.asname or part.name).partition(".")[0]


def _used(cell: ast.Module) -> Iterator[str]:
    for node in ast.walk(cell):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
