"""The reference of ddpm_lite, from its source: signatures as typed, docstrings, fields and their comments."""
import ast
import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ddpm_lite"
FILES = {name: [f"{name}.py"] for name in "schedule process prediction loss sample exact".split()}
FILES |= {"models": ["models/mlp.py", "models/unet.py", "models/time.py"], "data": ["data.py"],
          "train": ["train.py", "config.py"], "checkpoint": ["checkpoint.py"], "metrics": ["metrics.py"],
          "verified": ["verified/prove.py", "verified/registry.py", "verified/trial.py"]}
INTRODUCTION = """# Reference

Read it in this order: first the paper, a notion a file, then what trains, keeps and judges a network.
`import ddpm_lite as dl` gives each public name as `dl.name`. A shape in quotes stands for a tensor's:
`Float[Tensor, 'b *dims']` is a batch of `b` examples of any shape, a `Time` is an int, or one per example.

| module | what is in it |
| --- | --- |"""


@cache
def pages() -> dict[str, str]:
    """Markdown by path; the table of contents first."""
    found = {f"api/{name}.md": page(name, files) for name, files in FILES.items()}
    lines = [f"| [`{name}`]({name}.md) | {summary(files[0], name)} |" for name, files in FILES.items()]
    tree = "\n".join(["```{toctree}", ":hidden:", "", *FILES, "```"])
    return {"api/index.md": "\n".join([INTRODUCTION, *lines, "", tree, ""])} | found


def page_of(path: str) -> str | None:
    """The page that holds a source file."""
    if path == "ddpm_lite":
        return "api/index.md"
    return next((f"api/{name}.md" for name, files in FILES.items()
                 if path.removeprefix("ddpm_lite/") in (*files, name)), None)


def summary(file: str, name: str) -> str:
    file = f"{name}/__init__.py" if "/" in file else file
    doc = ast.get_docstring(ast.parse((PACKAGE / file).read_text())) or ""
    return re.split(r"\n\n|: each |, each ", doc)[0].replace("\n", " ").rstrip(".").replace("|", r"\|")


def public() -> set[str]:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    homes = next(node.value for node in tree.body if isinstance(node, ast.Assign)
                 and ast.unparse(node.targets[0]) == "_HOME")
    return {name for names in ast.literal_eval(homes).values() for name in names.split()}


def page(name: str, files: list[str]) -> str:
    parts = [f"# {name}\n"]
    for file in files:
        source = (PACKAGE / file).read_text()
        tree, module = ast.parse(source), "ddpm_lite." + file.removesuffix(".py").replace("/", ".")
        if len(files) > 1:
            parts.append(f"## {module.removeprefix('ddpm_lite.')}\n")
        parts += [(ast.get_docstring(tree) or "") + "\n", types(tree, source)]
        for node in tree.body:
            parts += entry(node, module, source)
        parts.append(f"<details><summary>The file ddpm_lite/{file}</summary>\n\n{python([source])}\n"
                     "</details>\n")
    return "\n".join(parts)


def entry(node: ast.stmt, module: str, source: str) -> Iterator[str]:
    """What stands on the page for one statement of a module, if anything does."""
    name = getattr(node, "name", "") or ",".join(map(ast.unparse, targets(node)))
    home = "ddpm_lite" if name in public() else module
    here = f"```{{py:currentmodule}} {home}\n```\n\n"
    if name.startswith("_") or not name.isidentifier():
        return
    if isinstance(node, ast.FunctionDef) and (doc := ast.get_docstring(node)):
        yield here + directive("function", signature(node), doc)
    elif isinstance(node, ast.ClassDef):
        inside = [*fields(node, source), *methods(node)]
        if (doc := ast.get_docstring(node)) or inside:
            init = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            head = name + (signature(init[0], 1)[len("__init__"):].partition(" -> ")[0] if init else "")
            yield here + directive("class", head, "\n\n".join([doc or "", *inside]), 5)
    elif home == "ddpm_lite" and isinstance(value := getattr(node, "value", None), ast.Dict):
        keys = [repr(key.value) for key in value.keys if isinstance(key, ast.Constant)]
        yield here + directive("data", name, f"By name: {', '.join(f'`{key}`' for key in keys)}.")


def targets(node: ast.stmt) -> list[ast.expr]:
    return [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])


def types(tree: ast.Module, source: str) -> str:
    """The names that a module gives to types, as typed."""
    lines = [ast.get_source_segment(source, node) or "" for node in tree.body if isinstance(node, ast.Assign)
             and re.fullmatch(r"[A-Z]+[a-z]\w+", ast.unparse(node.targets[0]))]
    return python(lines) if lines else ""


def fields(node: ast.ClassDef, source: str) -> Iterator[str]:
    """A config's or a result's fields as typed, with the comments beside them."""
    found = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    if found:
        lines = source.splitlines()[found[0].lineno - 1:found[-1].end_lineno]
        yield python([re.sub(r" {3,}#", "   #", line[4:]) if line else "" for line in lines])


def methods(node: ast.ClassDef) -> Iterator[str]:
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            marks, doc = {ast.unparse(mark) for mark in one.decorator_list}, ast.get_docstring(one) or ""
            if "property" in marks:
                yield directive("property", one.name, f":type: {shown(one.returns)}\n\n{doc}")
            elif doc or one.name == "forward":
                kind = "classmethod" if "classmethod" in marks else "method"
                yield directive(kind, signature(one, 1), doc)


def python(lines: list[str]) -> str:
    return "\n".join(["~~~~~~python", *lines, "~~~~~~", ""])


def signature(node: ast.FunctionDef, skip: int = 0) -> str:
    """As typed, without the first `skip` arguments (self)."""
    arguments = copy.deepcopy(node.args)
    del arguments.args[:skip]
    return f"{node.name}({shown(arguments)})" + (f" -> {shown(node.returns)}" if node.returns else "")


def shown(node: ast.AST | None) -> str:
    """Source on one line; a shape of one name loses the blank before it."""
    return re.sub(r"' (\w+)'", r"'\1'", ast.unparse(node)) if node else ""


def directive(kind: str, head: str, text: str, ticks: int = 4) -> str:
    fence, options = "`" * ticks, text.startswith(":")
    return "\n".join([f"{fence}{{py:{kind}}} {head}", *([] if options else [""]), text, fence, ""])
