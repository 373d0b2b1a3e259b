"""A trained network, with what it needs to read new data and to say what it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework.arena import Arena
from framework.components import Params
from framework.context import Context
from framework.data import Data, Field, refuse_strangers
from framework.discovery import discover
from framework.heads import Head, total_loss
from framework.learner import Learner
from framework.measuring import Tally
from framework.scaling import Scale

ABOUT, WEIGHTS = "model.json", "model.npz"


@dataclass(frozen=True)
class Model:
    """
    Attributes:
        learner: network, heads and metrics.
        weights: node -> tensor -> array, one replica.
        about: what the data were: fields, class names, how a file is read.
        scale: how features were scaled; it is applied to whatever comes in.
    """

    learner: Learner
    weights: Mapping[str, Params]
    about: Data
    scale: Scale

    def outputs(self, fields: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], Context]:
        """Values of all nodes for fields (n, ...), as the data set stores them; and the context they were made in."""
        refuse_strangers(self.about.fields, {name: np.asarray(a) for name, a in fields.items()})
        batch = {name: self._oriented(name, np.asarray(a)) for name, a in self.scale.apply(fields).items()}
        ctx = Context(train=False, batch=batch)
        with np.errstate(all="ignore"):
            values, _ = self.learner.network.forward(self.weights, ctx)
        return values, ctx

    def _oriented(self, name: str, a: np.ndarray) -> np.ndarray:
        field = self.about.fields.get(name)
        if field is not None and field.kind in ("real", "mask"):
            a = a.astype(next(iter(next(iter(self.weights.values())).values())).dtype)
        return a.swapaxes(0, 1) if field is not None and field.time_major else a

    def predict(self, x: np.ndarray | Mapping[str, np.ndarray], head: str | None = None) -> np.ndarray:
        """Predictions of a head: probabilities (n, K) of a classifier, numbers (n, F) of a regression; with another axis T,
        (n, T, K) and (n, T, F), where there is one for every step of a sequence.

        Args:
            x: the first field (n, ...), or several fields by name.
            head: which one, if there are several.
        """
        fields = x if isinstance(x, Mapping) else {next(iter(self.about.fields)): x}
        values, ctx = self.outputs(fields)
        chosen = self.learner.heads[head or next(iter(self.learner.heads))]
        y = np.asarray(chosen.prediction(values, ctx))
        target = self.about.fields.get(str(chosen.target))
        return y.swapaxes(0, 1) if target is not None and target.time_major else y

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.predict(x)

    def evaluate(self, fields: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Loss and metrics on fields that include the targets."""
        values, ctx = self.outputs(fields)
        tally = Tally(self.learner.measures)
        tally.add(self.learner.heads, values, ctx)
        loss, _ = total_loss(self.learner.heads, values, ctx)
        return {"loss": float(loss), **{name: float(value) for name, value in tally.values().items()}}

    @property
    def targets(self) -> set[str]:
        """The fields that heads compare with; a prediction does without them."""
        return {head.target for head in self.learner.heads.values() if head.target}

    @property
    def head(self) -> Head:
        """The first head."""
        return next(iter(self.learner.heads.values()))


def save(folder: Path, weights: Mapping[str, Params], data: Data, scale: Scale) -> None:
    """Write a model into a run's folder: weights as plain arrays, the rest as JSON."""
    flat = {f"{node}/{name}": a for node, tensors in weights.items() for name, a in tensors.items()}
    np.savez(folder / WEIGHTS, allow_pickle=False, **flat)
    fields = {
        name: {"axes": f.axes, "kind": f.kind, "size": f.size, "shape": data.splits["train"][name].shape[1:]}
        for name, f in data.fields.items()
    }
    told: dict[str, Any] = {"fields": fields, "splits": list(data.splits), "names": list(data.names)}
    told |= {"scale": scale.to_json(), "encoding": data.encoding.to_json() if data.encoding else None}
    (folder / ABOUT).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_about(folder: Path) -> tuple[Data, Scale]:
    """What `save` told of the data: a data set without examples, and its scale.

    Raises:
        OSError, ValueError, KeyError: the file is not there, or not as it was written.
    """
    told = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    fields = {name: Field(f["axes"], f["kind"], f["size"]) for name, f in told["fields"].items()}
    empty = {name: np.zeros((0, *f["shape"])) for name, f in told["fields"].items()}
    encoded = told["encoding"]
    encoding = discover().get("dataset", encoded["type"]).encoding_from_json(encoded) if encoded else None
    about = Data(dict.fromkeys(told["splits"], empty), fields, names=told["names"], encoding=encoding)
    return about, Scale.from_json(told["scale"])


def read_weights(folder: Path, arena: Arena) -> dict[str, Params]:
    """Weights as `save` wrote them.

    Raises:
        OSError, ValueError, KeyError: the file is not there, or not of this network.
    """
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        weights: dict[str, Params] = {}
        for (node, name), slot in arena.slots.items():
            a = file[f"{node}/{name}"]
            if a.shape != slot.shape:
                raise ValueError(f"{node}/{name} has shape {a.shape}, and the network wants {slot.shape}")
            weights.setdefault(node, {})[name] = a
    return weights
