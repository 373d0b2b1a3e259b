"""The page of the public Python names: signature and docstring of each, read from the source."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from docs._tools.markdown import prose
from framework import hooks

MODULES = {
    "framework": "Runs, sweeps, training, and what plugins need. Importing it brings in NumPy and pluggy only.",
    "framework.components": "The protocols of the kinds of components. Those above are here too.",
    "framework.testing": "The conformance kit.",
    "framework.testing.double": "An array module that behaves like a GPU.",
    "framework.sklearn": "Networks as scikit-learn estimators.",
    "framework.hooks": "The hooks of a plugin. Each is called once, when the registry is filled.",
}
NAMES = {"framework.testing.double": ["Double"], "framework.hooks": list(hooks.HOOKS)}  # of the modules without __all__
NOTES = {  # what has no docstring of its own
    "Array": "An array of NumPy or CuPy.",
    "KINDS": "The kinds of components that the kit can check.",
    "Params": "The tensors of a layer by name: `dict[str, Array]`.",
    "Shape": "The shape of a value without its replica axes and without N: `tuple`. None stands at the time axis.",
    "hookimpl": "Marks a function of a plugin as the implementation of a hook.",
    "style": "The module with the colours and sizes of all figures.",
}
HEADINGS = ("Args", "Attributes", "Optional", "Returns", "Raises", "Yields")
INTRODUCTION = """\
# Python API

Every public name, with its signature and docstring. Names that are not on this page may change without notice.
[In Python](../guides/python-api.md) shows how they are used.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(part.rstrip() + "\n" for part in (INTRODUCTION, *sections()))


def sections() -> Iterator[str]:
    """A heading for each module, then its names."""
    seen: set[str] = set()
    for module, text in MODULES.items():
        yield f"## {module}\n\n{text}"
        for name in public(module):
            if name not in seen:
                yield entry(name, getattr(importlib.import_module(module), name))
            seen.add(name)


def public(module: str) -> list[str]:
    """The public names of a module."""
    return NAMES.get(module) or sorted(importlib.import_module(module).__all__, key=str.lower)


def entry(name: str, thing: Any) -> str:
    """One name."""
    if name in NOTES:
        return f"### {name}\n\n{NOTES[name]}"
    if thing.__name__ != name:
        return f"### {name}\n\nAnother name for `{thing.__name__}`."
    node, base = parsed(thing), base_of(thing)
    call = signature(parsed(base)).replace(base.__name__, name, 1) if base else signature(node)
    text = "\n\n".join(inspect.getdoc(part) or "" for part in (thing, base) if part)
    parts = [f"### {name}", f"```python\n{call}\n```", *described(text)]
    methods = [line for item in getattr(node, "body", ()) for line in method(item)] if isinstance(node, ast.ClassDef) else []
    return "\n\n".join([*parts, *(["Methods:", "\n".join(methods)] if methods else [])])


def parsed(thing: Any) -> Any:
    """The definition of a class or function."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def base_of(thing: Any) -> Any:
    """The base class of ours that a class takes its constructor from."""
    bases = thing.__mro__[1:] if isinstance(thing, type) and "__init__" not in vars(thing) else ()
    return next((base for base in bases if "__init__" in vars(base) and base.__module__.startswith("framework")), None)


def signature(node: Any) -> str:
    """How the name is called, with the defaults as the source writes them."""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return wrapped(node.name, arguments(node.args), returns)
    init = next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
    if init:
        return wrapped(f"class {node.name}", arguments(init.args), "")
    fields = [field(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    bases = {ast.unparse(base) for base in node.bases} & {"NamedTuple", "Protocol"}
    if "Protocol" in bases or not (node.decorator_list or bases):
        return f"class {node.name}" + ("(Protocol)" if bases else "")
    return wrapped(f"class {node.name}", [part for part in fields if part], "")


def arguments(args: ast.arguments) -> list[str]:
    """The arguments without self."""
    args.args = [arg for arg in args.args if arg.arg not in ("self", "cls")]
    parts = re.split(r",\s(?![^\[(]*[\])])", ast.unparse(args))
    return [re.sub(r"(: .+?)=", r"\1 = ", part) for part in parts if part]


def field(item: ast.AnnAssign) -> str:
    """A field of a dataclass: its default is the first argument of `option`."""
    if "ClassVar" in ast.unparse(item.annotation):
        return ""
    value = item.value
    if isinstance(value, ast.Call):
        value = value.args[0] if value.args else ast.Constant(...)
    return f"{ast.unparse(item.target)}: {ast.unparse(item.annotation)}" + (f" = {ast.unparse(value)}" if value else "")


def wrapped(name: str, parts: list[str], returns: str) -> str:
    """A call on one line, or with a line for each argument."""
    line = f"{name}({', '.join(parts)}){returns}"
    return line if len(line) <= 100 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def method(item: ast.stmt) -> Iterator[str]:
    """A public method: its call and the first paragraph of its docstring."""
    if isinstance(item, ast.FunctionDef) and (not item.name.startswith("_") or item.name == "__call__"):
        is_property = any(ast.unparse(d).endswith("property") for d in item.decorator_list)
        first = " ".join((ast.get_docstring(item) or "").split("\n\n")[0].split())
        call = item.name if is_property else f"{item.name}({', '.join(arguments(item.args))})"
        yield f"- `{call}`" + (f": {prose(first)}" if first and not first.startswith(HEADINGS) else "")


def described(text: str) -> Iterator[str]:
    """A docstring as Markdown: paragraphs, code, and lists of arguments."""
    for paragraph in text.split("\n\n"):
        heading, _, rest = paragraph.partition("\n")
        if heading.removesuffix(":") in HEADINGS and rest:
            yield f"{heading.removesuffix(':')}:"
            yield "\n".join(items(textwrap.dedent(rest)))
        else:
            yield prose(paragraph)


def items(text: str) -> Iterator[str]:
    """`name: text` with further lines indented, as a list."""
    for part in re.split(r"\n(?!\s)", text):
        name, colon, what = " ".join(part.split()).partition(": ")
        yield f"- `{name}`: {prose(what)}" if colon else f"- {prose(name)}"
