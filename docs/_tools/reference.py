"""Writes the reference from docstrings and options: a page per kind of component, one of all keys, one of the Python API.

python -m docs._tools.reference        (or: make docs)
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np

from docs._tools import api, configuration, kinds, kit
from docs._tools.markdown import prose
from framework import hooks
from framework.cli.commands.describe import options_of
from framework.config.schema import COMPONENT_GROUPS
from framework.core.options import declared
from framework.core.validation import PROTOCOLS, RULES
from framework.core.version import GROUP
from framework.registry.discovery import registry_of
from framework.registry.registry import SEVERAL_GROUPS, Entry

FOLDER = Path(__file__).resolve().parent.parent / "reference"
TITLES = {hook.removeprefix("register_"): kind for hook, kind in hooks.KINDS.items()}  # plural -> kind
REGRESSION = "dataset=sine "
TAGGED = "model=tagger dataset=conll dataset.path=... "
MADE = "<!-- Made by `make docs` from the docstrings; change those. -->"
INDEX = f"""\
{MADE}

# Reference

[Configuration](configuration.md) lists every key, [Python API](api.md) every public name. The other pages list the
built-in components. Each has its formula, its options and a command that uses it. `stackprop describe NAME` prints the
same, also for third-party components, groups, presets, experiments and keys.

- Axes in a shape: `...` replicas, N examples, F features, T time steps, C channels, H height, W width. P is the number of
  all parameters of a network. Axes in brackets, `[T,]`, may be absent.
- `dy` is the gradient of the loss with respect to y, the output of a component. `dx` is the gradient that it returns.
- `m^` is m with a hat. `g^2` is a power.
- An option marked *per replica* may differ between the networks of one stack, so that a sweep over it can be one stack.
- `after` inserts a new layer behind the layer that it names. Without it the layer is the last: `model.layers.drop=dropout`.
- An option that holds a component takes a name, or a name with options: `{{type: relu, at_zero: 0}}`.

"""


def pages() -> dict[str, str]:
    """File name -> text, for every kind that has components."""
    registry = registry_of(point for point in entry_points(group=GROUP) if point.dist and point.dist.name == "stackprop")
    found = {title: registry.entries[kind] for title, kind in TITLES.items() if registry.entries[kind]}
    made = {f"{title}.md": page(title, known) for title, known in found.items()}
    lines = [f"- [{in_english(title)}]({title}.md): {listed(title, known)}\n" for title, known in found.items()]
    others = {"configuration.md": configuration.page(), "api.md": api.page()}
    return made | {"index.md": INDEX + "".join(lines)} | {name: f"{MADE}\n\n{text}" for name, text in others.items()}


def listed(title: str, known: Iterable[str]) -> str:
    """Names with links to their sections."""
    return ", ".join(f"[{name}]({title}.md#{name})" for name in sorted(known))


def in_english(title: str) -> str:
    """The heading of a kind."""
    return title.capitalize().replace("Datasets", "Data sets")


def page(title: str, known: Mapping[str, Entry]) -> str:
    """All components of one kind."""
    what = inspect.cleandoc(getattr(hooks, f"register_{title}").__doc__).split(":")[0].rstrip(".")
    sections = "\n".join(section(TITLES[title], name, known[name].component) for name in sorted(known))
    return f"{MADE}\n\n# {in_english(title)}\n\n{what}. [All kinds](index.md)\n\n{sections}"


def section(kind: str, name: str, component: Any) -> str:
    """One component: formula, text, options, a line for the shell."""
    formula, *text = inspect.getdoc(component).split("\n\n")
    parts = [f"## {name}", f"```text\n{formula}\n```", *map(prose, text), *table(options_of(component))]
    line = example(kind, name, component)
    return "\n\n".join([*parts, *([f"```sh\n{line}\n```"] if line else [])]) + "\n"


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The options as a table; nothing for a component without any."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| `{o}` | {t} | {code(d)} | {code(r)} | {s} | {prose(h)} |" for o, t, d, r, s, h in cells]
    head = "| option | type | default | allowed | per replica | what it is |\n|---|---|---|---|---|---|\n"
    return [head + "\n".join(lines)] if lines else []


def code(words: str) -> str:
    """A value as code, a sentence as it is."""
    return f"`{words}`" if words and not words.startswith(("the ", "must ")) else words


def example(kind: str, name: str, component: Any) -> str:
    """A command that uses the component, with another value for one of its options."""
    if kind == "layer":
        model, place = placed(component)
        new = f"'model.layers.new={{type:{name},{place}}}'"
        return " ".join(["stackprop", *model, new, *overrides(component, "model.layers.new")])
    if kind == "metric":
        options = "".join("," + told.removeprefix(".").replace("=", ":") for told in overrides(component, ""))
        data = TAGGED if "tags" in declared(component) else REGRESSION if is_for_numbers(component) else ""
        return f"stackprop {data}'metrics=[{{type:{name}{options}}}]'"
    group = next((group for group, of in SEVERAL_GROUPS.items() if of == kind), None)
    if group:
        return " ".join(["stackprop", f"{group}={name}", *overrides(component, f"{group}.{name}")])
    if kind == "cell":
        return f"stackprop model=... 'model.layers.new.cell={{type:{name},units:8}}'"
    if kind not in COMPONENT_GROUPS:
        return ""
    data = REGRESSION if is_for_numbers(component) else "dataset=xor " if "binary" in targets(component) else ""
    return " ".join([f"stackprop {data}{kind}={name}", *overrides(component, kind)])


def targets(component: Any) -> tuple[str, ...]:
    """The kinds of target that a loss accepts, or the loss that a metric holds by default."""
    holds = [f.default_factory() for hint, f in declared(component).values() if PROTOCOLS.get(hint) == "loss"]
    found: Any = getattr((holds or [component])[0], "targets", ())
    return tuple(component().targets) if isinstance(found, property) else found  # a property depends on options


def is_for_numbers(component: Any) -> bool:
    """Whether its example needs a target of real numbers: the default data set has labels."""
    taken = targets(component)
    return taken == ("real",) if not hasattr(component, "count") else bool(taken) and "label" not in taken


def placed(layer: Any) -> tuple[list[str], str]:
    """A model with a place for this layer, by what its first example reads and makes, and that place."""
    made, shape = layer.examples()[0]
    if isinstance(shape[0], tuple):
        return [], "from:[hidden,act],after:act"
    if None in shape:
        return ["model=..."], "after:..."
    if len(shape) == 1:
        return [], "after:act"
    _, out = made.init(np.random.default_rng(0), shape)
    return ["model=cnn"], "after:act" if len(out) == len(shape) else "after:pool2"


def overrides(component: Any, at: str) -> list[str]:
    """Every option that has to be given; where there is none, the first that can be changed (of a layer: in one stack, as
    others may change its shape)."""
    options = declared(component)
    chosen = [name for name, (_, f) in options.items() if f.default is MISSING and f.default_factory is MISSING]
    if not chosen:
        free = [name for name, (_, f) in options.items() if f.metadata.get("stackable") or not at.startswith("model")]
        chosen = [name for name in free if other_value(*options[name]) is not None][:1]
    return [shlex.quote(f"{at}.{name}={other_value(*options[name])}") for name in chosen]


def other_value(hint: Any, f: Any) -> Any:
    """A value that is allowed and not the default, as the shell wants it; None where none comes to mind."""
    hints = {hint, *get_args(hint)} if get_origin(hint) is not Literal else {hint}
    if get_origin(hint) is Mapping and f.default is MISSING and f.default_factory is MISSING:
        return "{x:{values:[[1,2]]},y:{values:[[3]]}}"
    if f.default is MISSING and f.default_factory is MISSING:
        return 8 if int in hints else "{type:lstm,units:8}" if PROTOCOLS.get(hint) == "cell" else "..."
    if hint in PROTOCOLS or f.default is MISSING:
        return None
    if get_origin(hint) is Literal:
        return next(choice for choice in get_args(hint) if choice != f.default)
    if hint is bool:
        return str(not f.default).lower()
    number = f.default
    if not isinstance(number, int | float):
        return 1 if int in hints else None
    trials = [number * 2, number + 1] if isinstance(number, int) else [number / 2, number + 0.1]
    rules = f.metadata.get("rules", {}).items()
    return next((n for n in trials if n != number and all(RULES[rule][0](n, bound) for rule, bound in rules)), None)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        old.unlink()
    for file, text in pages().items():
        (FOLDER / file).write_text(text)
    kit.PLACE.write_text(kit.page())
    kinds.PLACE.write_text(kinds.page())
