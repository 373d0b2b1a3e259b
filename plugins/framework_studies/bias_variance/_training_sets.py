"""A training set for each network of a study: new draws, new noise, samples with replacement, or disjoint parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from framework import Data, generator

Draw = Literal["auto", "fresh", "noise", "bootstrap", "disjoint"]


def training_sets(experiment: Any, draw: Draw, members: int) -> tuple[str, list[Data]]:
    """The kind of draw, and a data set for each member; all have the validation split of their draw.

    Raises:
        ValueError: this kind of draw is not possible with these data.
    """
    way = chosen(experiment) if draw == "auto" else draw
    made = WAYS[way](experiment, members)
    shapes = {tuple(a.shape for a in data.splits["train"].values()) for data in made}
    if len(shapes) > 1:
        raise ValueError(
            f"study.draw: '{way}' gives training sets of different sizes; networks of one stack need equal sizes"
        )
    return way, [without_test(data) for data in made]


def chosen(experiment: Any) -> str:
    """The draw for `auto`: fresh if the true function is known and the same in each draw; noise if it is drawn with the
    data; otherwise bootstrap."""
    if experiment.data.f is None or experiment.data.sigma is None:
        return "bootstrap"
    return "fresh" if one_truth(experiment) else "noise"


def one_truth(experiment: Any) -> bool:
    """Whether two draws have the same true function."""
    x = places(experiment.data)
    return np.array_equal(experiment.draw(0).f(x), experiment.draw(1).f(x))


def places(data: Data) -> np.ndarray:
    """The first field of the training split."""
    return np.asarray(data.splits["train"][next(iter(data.fields))])


def fresh(experiment: Any, members: int) -> list[Data]:
    """A new draw of the data set for each member, from (dataset.seed, member)."""
    made = [experiment.draw(member) for member in range(members)]
    if members > 1 and np.array_equal(places(made[0]), places(made[1])):
        raise ValueError("study.draw: 'fresh' gives the same training set each time; use bootstrap or disjoint")
    if members > 1 and examples(made[0]) == examples(made[1]):
        raise ValueError(
            "study.draw: 'fresh' splits the same examples again, so that networks would learn from the evaluation points; "
            "use bootstrap or disjoint",
        )
    if made[0].f is not None and not one_truth(experiment):
        raise ValueError("study.draw: 'fresh' draws another true function each time; use noise")
    return made


def examples(data: Data) -> list[bytes]:
    """All examples of all splits, as bytes."""
    splits = [[np.ascontiguousarray(a) for a in split.values()] for split in data.splits.values()]
    return sorted(b"".join(a[i].tobytes() for a in split) for split in splits for i in range(len(split[0])))


def noise(experiment: Any, members: int) -> list[Data]:
    """Data sets with the same x, and y = f(x) + sigma e with e ~ N(0, 1) from (dataset.seed, member)."""
    data: Data = experiment.data
    if data.f is None or data.sigma is None:
        raise ValueError("study.draw: 'noise' needs a data set with known function and noise (sine, linear)")
    f, sigma, seed = data.f(places(data)), data.sigma, experiment.settings.dataset_seed
    target = next(head.target for head in experiment.learner.heads.values())

    def drawn(member: int) -> Data:
        y = f + sigma * generator((seed, member), "study/noise").standard_normal(f.shape)
        return with_train(data, {**data.splits["train"], target: y})

    return [drawn(member) for member in range(members)]


def bootstrap(experiment: Any, members: int) -> list[Data]:
    """Samples of the training split with replacement, of the same size, from (dataset.seed, member)."""
    n, seed = len(places(experiment.data)), experiment.settings.dataset_seed
    return [rows(experiment.data, generator((seed, m), "study/bootstrap").integers(0, n, n)) for m in range(members)]


def disjoint(experiment: Any, members: int) -> list[Data]:
    """The training split, shuffled by dataset.seed, in equal parts."""
    n = len(places(experiment.data))
    size = n // members
    if size < 1:
        raise ValueError(
            f"study.draw: 'disjoint' needs more training examples (got {n} for {members} members); use bootstrap"
        )
    order = generator(experiment.settings.dataset_seed, "study/disjoint").permutation(n)
    return [rows(experiment.data, order[m * size : (m + 1) * size]) for m in range(members)]


def rows(data: Data, chosen: np.ndarray) -> Data:
    """Some examples of the training split."""
    return with_train(data, {name: a[chosen] for name, a in data.splits["train"].items()})


def with_train(data: Data, train: dict[str, np.ndarray]) -> Data:
    """A data set with another training split."""
    return replace(data, splits={**data.splits, "train": train})


def without_test(data: Data) -> Data:
    """A data set without a test split: members are evaluated at the study's points."""
    return replace(data, splits={name: split for name, split in data.splits.items() if name != "test"})


WAYS: dict[str, Callable[[Any, int], list[Data]]] = {
    "fresh": fresh,
    "noise": noise,
    "bootstrap": bootstrap,
    "disjoint": disjoint,
}
