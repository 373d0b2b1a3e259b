"""What a table was taken for, as a run says it in one line, with the options that change it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework_datasets._columns import LEADING_ZERO, like_numbers, real
from framework_datasets._table import Header, Table, number, shown
from framework_datasets._table_encoding import MOST_CLASSES, Feature, Target, Task

SHOWN = 6  # names in a list


def listed(names: Sequence[str]) -> str:
    """Names, the middle ones of a long list left out."""
    short = [shown(name, 20) for name in names]
    return ", ".join(short if len(short) <= SHOWN else [*short[: SHOWN - 2], "...", short[-1]])


def target_words(table: Table, target: Target, task: Task) -> str:
    """What the target was taken for."""
    if len(target.names) > 1:
        return f"targets {listed(target.names)}: numbers"
    (name,) = target.names
    who, zeros = f"target '{shown(name)}'", _zeros(table, name)
    if target.classes is not None:
        said = f"{who}: {len(target.classes)} classes ({listed(target.classes)}){zeros}"
        whole = task == "auto" and number(target.classes[0]) is not None
        return f"{said}, as whole numbers with few values are; dataset.task=regression takes numbers" if whole else said
    values = real(table, name)
    distinct = np.unique(values)
    if task == "auto" and (distinct == np.round(distinct)).all():
        return (
            f"{who}: numbers ({len(distinct)} different whole values, more than {MOST_CLASSES}){zeros}; "
            "dataset.task=classification takes them as classes"
        )
    return f"{who}: numbers, {distinct[0]:g} ... {distinct[-1]:g}{zeros}"


def feature_words(table: Table, features: Sequence[Feature]) -> str:
    """What the features were taken for."""
    numeric = [f.name for f in features if f.categories is None]
    words = [f for f in features if f.categories is not None]
    said = [f"{len(numeric)} of numbers ({listed(numeric)})"] if numeric else []
    if words:
        said.append(f"{len(words)} of words ({listed([f'{f.name}: {len(f.categories or ())}' for f in words])})")
    odd = []
    for feature in features:
        zeros = _zeros(table, feature.name) if feature.categories is None else ""
        kind = like_numbers(table.columns[feature.name]) if feature.categories is not None else None
        odd += [f"'{shown(feature.name)}'{zeros}"] if zeros else []
        example = shown(table.columns[feature.name][0])
        odd += [f"'{shown(feature.name)}' is words, not numbers ({kind}: {example})"] if kind else []
    chosen = "dataset.features and dataset.drop choose others"
    return "; ".join([f"features: {' and '.join(said)}", *odd, chosen])


def _zeros(table: Table, name: str) -> str:
    """Zeros in front of a number are lost."""
    padded = next((word for word in table.columns[name] if word[:1] in "0+-" and LEADING_ZERO.fullmatch(word)), None)
    return f" (zeros in front are lost: {shown(padded)} is {float(padded):g})" if padded else ""


def header_lines(table: Table, header: Header) -> tuple[str, ...]:
    """What was made of the first line and the first column, where it is not plain."""
    lines = []
    if header is False:
        lines.append(f"no header: the columns are {listed(list(table.columns))}")
    numeric = [name for name in table.columns if number(name) is not None]
    if header is True and numeric:
        lines.append(
            f"line 1 was taken as the header, and holds numbers ({listed(numeric)}); dataset.header=false if it is data"
        )
    if table.index:
        lines.append("the first column has no name and numbers the rows; it was left out")
    return tuple(lines)
