"""`stackprop new-plugin NAME`: a distribution with your own components and their tests, ready to install."""

from __future__ import annotations

import argparse
import contextlib
import keyword
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from framework.core.errors import ConfigError, did_you_mean
from framework.core.writing import write_text
from framework.hooks import KINDS
from framework.registry.discovery import discover

WORD = "template"  # what the name replaces in every file and file name
PACKAGE = f"stackprop_{WORD}"
USUAL = ("layer", "activation", "optimizer")


def main(arguments: Sequence[str]) -> int:
    """Write the folder `stackprop-NAME`."""
    parser = argparse.ArgumentParser("stackprop new-plugin", description=__doc__)
    parser.add_argument("name", help="bent: the distribution is stackprop-bent, and its components begin with bent_")
    parser.add_argument("--kind", action="append", metavar="KIND", help="a kind of component; give it once for each kind")
    given = parser.parse_args(arguments)
    check_name(given.name)
    kinds = tuple(given.kind or USUAL)
    for kind in kinds:
        if kind not in KINDS.values():
            raise ConfigError(f"--kind: unknown kind '{kind}'{did_you_mean(kind, KINDS.values())}")
    folder = Path(f"stackprop-{given.name.replace('_', '-')}")
    if folder.exists():
        raise ConfigError(f"{folder}: this folder exists already; choose another name, or another place")
    for name, text in written(given.name, kinds):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    print(f"{folder}: a plugin with these components: {', '.join(kinds)}. Install it and run its tests:")
    print(f"\n    cd {folder}\n    pip install -e '.[test]'\n    python -m pytest\n")
    return 0


def check_name(name: str) -> None:
    """Check that a plugin may have that name.

    Raises:
        ConfigError: it is not a Python name in small letters, or it is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name.startswith("stackprop"):
        near = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).removeprefix("stackprop").strip("_0123456789")
        hint = f"; did you mean '{near}'?" if near and not keyword.iskeyword(near) else ""
        raise ConfigError(f"{name}: not a name for a plugin; small letters, digits and _, without stackprop{hint}")
    taken = next(_taken(name), "")
    if taken:
        raise ConfigError(f"{name}: {taken}; choose another name")


def _taken(name: str) -> Iterator[str]:
    registry, distribution = discover(), f"stackprop-{name.replace('_', '-')}"
    with contextlib.suppress(PackageNotFoundError):
        yield f"the distribution {distribution} {version(distribution)} is installed already"
    if find_spec(f"stackprop_{name}"):
        yield f"a Python package stackprop_{name} exists already"
    why = registry.conflict(f"model/{name}")
    if why:
        yield why.replace("that name", f"the name model/{name}")
    for kind, known in registry.entries.items():
        for other, entry in known.items():
            if other.startswith(f"{name}_"):
                yield f"{kind} '{other}' of '{entry.provider}' begins with it"


def template() -> Path:
    """The folder of the template: inside the wheel, or beside the built-in plugins in a checkout."""
    here = Path(__file__).resolve().parents[2]
    return next(folder for folder in (here / WORD, here.parent / "plugins" / WORD) if (folder / PACKAGE).is_dir())


def written(name: str, kinds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The files of a new plugin: path and text."""
    others = {kind for kind in KINDS.values() if kind not in kinds}
    if "layer" in others:
        others |= {"presets", "conf"}  # the preset has the layer
    for path in sorted(template().rglob("*")):
        place = path.relative_to(template())
        parts = {*place.parts, path.stem, path.stem.removeprefix("test_")}
        if path.is_dir() or parts & {*others, "__pycache__"}:
            continue
        text = path.read_text(encoding="utf-8")
        if place.as_posix() == f"{PACKAGE}/__init__.py":
            dropped = [f"from {PACKAGE}.{kind} " for kind in others]
            lines = text.splitlines(keepends=True)
            text = "".join(line for line in lines if not any(line.startswith(start) for start in dropped))
        yield _named(place.as_posix(), name), _named(text, name)


def _named(text: str, name: str) -> str:
    return text.replace(f"stackprop-{WORD}", f"stackprop-{name.replace('_', '-')}").replace(WORD, name)
