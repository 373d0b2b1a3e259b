"""Plain trees as YAML, fast: the jobs of a sweep write the same parts again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 2000  # parts that are remembered
DEEP = 2  # keys above the parts
_parts: dict[str, str] = {}


def yaml_text(tree: Mapping[str, Any] | Sequence[Any]) -> str:
    """The text that PyYAML writes for a tree of mappings, lists, texts, numbers, truth values and null. A part of the tree
    is written once, for all trees with an equal one."""
    return "".join(_texts(tree, ())) or _dumped(tree)


def _texts(tree: Mapping[str, Any] | Sequence[Any], above: tuple[str, ...]) -> list[str]:
    """The texts of the entries of a tree that lies below some keys."""
    if not isinstance(tree, Mapping):
        return [_part([value], above) for value in tree]
    texts = []
    for key, value in tree.items():
        one_line = isinstance(key, str) and key.isidentifier() and len(key) < 64
        if isinstance(value, Mapping) and value and one_line and len(above) < DEEP:
            texts += [_part({key: {"": None}}, above, 1), *_texts(value, (*above, key))]
        else:
            texts.append(_part({key: value}, above))
    return texts


def _part(tree: Any, above: tuple[str, ...], most: int | None = None) -> str:
    """The lines of a tree below some keys, each of which takes a line; the first `most` of them."""
    # They are the same wherever it stands; `repr` tells apart 1, 1.0, True and '1'.
    known = repr((tree, above))
    if known not in _parts:
        if len(_parts) >= MOST:
            _parts.clear()
        for key in reversed(above):
            tree = {key: tree}
        lines = _dumped(tree).split("\n")[len(above) : -1]
        _parts[known] = "".join(f"{line}\n" for line in lines[:most])
    return _parts[known]


def _dumped(tree: Any) -> str:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, if the C library is available
    text: str = yaml.dump(tree, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text
