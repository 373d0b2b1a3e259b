"""Notes on how a table was interpreted, with the options that change it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework_datasets._columns import LEADING_ZERO, like_numbers, real
from framework_datasets._table import Header, Table, number, shown
from framework_datasets._table_encoding import MOST_CLASSES, Feature, Target, Task

SHOWN = 6  # names in a list


def listed(names: Sequence[str]) -> str:
    """Names, without the middle ones of a long list."""
    short = [shown(name, 20) for name in names]
    return ", ".join(short if len(short) <= SHOWN else [*short[: SHOWN - 2], "...", short[-1]])


def target_words(table: Table, target: Target, task: Task) -> str:
    """The note on the target."""
    if target.several:
        text = f"targets {listed(target.names)}: {len(target.names)} labels of 0 and 1, of which several may hold at once"
        return text + ("; dataset.task=regression reads numbers" if task == "auto" else "")
    if len(target.names) > 1:
        return f"targets {listed(target.names)}: numbers"
    (name,) = target.names
    who, zeros = f"target '{shown(name)}'", _zeros(table, name)
    if target.classes is not None:
        text = f"{who}: {len(target.classes)} classes ({listed(target.classes)}){zeros}"
        whole = task == "auto" and number(target.classes[0]) is not None
        return f"{text}, since they are integers with few values; dataset.task=regression reads numbers" if whole else text
    values = real(table, name)
    distinct = np.unique(values)
    if task == "auto" and (distinct == np.round(distinct)).all():
        return (
            f"{who}: numbers ({len(distinct)} different integers, more than {MOST_CLASSES}){zeros}; "
            "dataset.task=classification reads them as classes"
        )
    return f"{who}: numbers, {distinct[0]:g} ... {distinct[-1]:g}{zeros}"


def feature_words(table: Table, features: Sequence[Feature]) -> str:
    """The note on the features."""
    numeric = [f.name for f in features if f.categories is None]
    words = [f for f in features if f.categories is not None]
    text = [f"{len(numeric)} of numbers ({listed(numeric)})"] if numeric else []
    if words:
        text.append(f"{len(words)} of words ({listed([f'{f.name}: {len(f.categories or ())}' for f in words])})")
    odd = []
    for feature in features:
        zeros = _zeros(table, feature.name) if feature.categories is None else ""
        kind = like_numbers(table.columns[feature.name]) if feature.categories is not None else None
        odd += [f"'{shown(feature.name)}'{zeros}"] if zeros else []
        example = shown(table.columns[feature.name][0])
        odd += [f"'{shown(feature.name)}' is words, not numbers ({kind}: {example})"] if kind else []
        if feature.categories is None and _only_counts(real(table, feature.name)):
            odd.append(f"'{shown(feature.name)}' only counts the rows")
    chosen = "dataset.features and dataset.drop select others"
    return "; ".join([f"features: {' and '.join(text)}", *odd, chosen])


def _only_counts(values: np.ndarray) -> bool:
    """Whether numbers count the rows, from 0 or 1 on."""
    return len(values) > 2 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _zeros(table: Table, name: str) -> str:
    """A note on lost leading zeros of numbers."""
    padded = next((word for word in table.columns[name] if word[:1] in "0+-" and LEADING_ZERO.fullmatch(word)), None)
    return f" (leading zeros are lost: {shown(padded)} is {float(padded):g})" if padded else ""


def header_lines(table: Table, header: Header) -> tuple[str, ...]:
    """Notes on the first line and the first column, if they are unusual."""
    lines = []
    if header is False:
        lines.append(f"no header: the columns are {listed(list(table.columns))}")
    numeric = [name for name in table.columns if number(name) is not None]
    if header is True and numeric:
        lines.append(
            f"line 1 was read as the header, but holds numbers ({listed(numeric)}); dataset.header=false if it is data"
        )
    if table.index:
        lines.append("the first column has no name and only counts the rows; it was left out")
    return tuple(lines)
