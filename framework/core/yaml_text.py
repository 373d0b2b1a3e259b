"""Plain trees as YAML, fast: the jobs of a sweep write the same parts again and again."""

from __future__ import annotations

import marshal
import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 4000  # parts that are remembered
DEEP = 2  # keys above the parts
WORD = re.compile(r"[A-Za-z/][A-Za-z0-9_/.=,-]*")  # is written as it is, except these ...
WORDS = ("yes", "no", "true", "false", "on", "off", "null", "y", "n")
DIGITS = re.compile(r"0|[1-9][0-9]*")  # a text that would be read as a number
_parts: dict[bytes | str, str] = {}


def yaml_text(tree: Mapping[str, Any] | Sequence[Any]) -> str:
    """The text that PyYAML writes for a tree of mappings, lists, texts, numbers, truth values and null. A part of the tree
    is written once, for all trees with an equal one."""
    if not isinstance(tree, Mapping):
        return "".join(_part([value], ()) for value in tree) or _dumped(tree)
    return "".join(_part({key: value}, ()) for key, value in tree.items()) or _dumped(tree)


def _part(tree: Any, above: tuple[str, ...]) -> str:
    """The lines of a list or of a mapping of one key, below some keys; they are the same wherever it stands."""
    try:
        known: bytes | str = marshal.dumps((tree, above), 2)  # the same for the same values of the same types only
    except ValueError:  # a type of which marshal knows nothing
        known = repr((tree, above))
    if known not in _parts:
        text = _text(tree, above)
        if len(_parts) >= MOST:
            _parts.clear()
        _parts[known] = text
    return _parts[known]


def _text(tree: Any, above: tuple[str, ...]) -> str:
    key, value = next(iter(tree.items())) if isinstance(tree, Mapping) else (None, None)
    one_line = isinstance(key, str) and key.isidentifier() and len(key) < 64
    values = [_scalar(each) for each in value] if isinstance(value, list) else []
    if one_line and str(key).lower() not in WORDS:
        if (text := _scalar(value)) is not None:
            return f"{'  ' * len(above)}{key}: {text}\n"
        if values and None not in values:
            indent = "  " * len(above)
            return "".join([f"{indent}{key}:\n", *(f"{indent}- {each}\n" for each in values)])
    if isinstance(value, Mapping) and value and one_line and len(above) < DEEP:
        head = _lines({key: {"": None}}, above)[:1]
        return "".join([*head, *(_part({name: each}, (*above, str(key))) for name, each in value.items())])
    return "".join(_lines(tree, above))


def _scalar(value: Any) -> str | None:
    """What stands for a plain value, if that is simple: PyYAML takes a hundred times as long."""
    if type(value) is int:
        return str(value)
    if type(value) is not str or value.lower() in WORDS:
        return None
    return value if WORD.fullmatch(value) else f"'{value}'" if DIGITS.fullmatch(value) else None


def _lines(tree: Any, above: tuple[str, ...]) -> list[str]:
    """The lines of a tree below some keys, each of which takes a line."""
    for key in reversed(above):
        tree = {key: tree}
    return [f"{line}\n" for line in _dumped(tree).split("\n")[len(above) : -1]]


def _dumped(tree: Any) -> str:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, if the C library is available
    text: str = yaml.dump(tree, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text
