"""`Model`: a trained network, with what it needs to read new data and to interpret its output."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from framework.core.archives import open_archive
from framework.core.context import Context
from framework.core.errors import ConfigError, DataError, did_you_mean
from framework.core.reading import read_json
from framework.core.types import Params
from framework.core.writing import replaced, write_text
from framework.data.dataset import Data, Field, Layout
from framework.data.loader import DataLoader
from framework.data.scaling import Scale
from framework.data.validation import checked_arrays, shown_names
from framework.inference.beam import best_tags, reads_tags
from framework.inference.evaluation import HeadMetric, MetricAccumulator, evaluate, in_units
from framework.nn import table
from framework.nn.arena import Arena
from framework.nn.heads import Head
from framework.nn.network import Network, Values
from framework.registry.discovery import discover

ABOUT, WEIGHTS = "model.json", "model.npz"


class Trained(Protocol):
    """The parts of a learner that a model uses."""

    @property
    def network(self) -> Network: ...
    @property
    def heads(self) -> Mapping[str, Head]: ...
    @property
    def measures(self) -> Mapping[str, HeadMetric]: ...


@dataclass(frozen=True)
class Model:
    """A trained network, its weights, heads and metrics, and the description of its data.

    Attributes:
        network: the network.
        heads: name -> head.
        measures: name -> metric of a head.
        weights: node -> tensor -> array, one replica.
        about: the training data's fields, class names and file encoding, without examples.
        scale: the scaling of features and targets; it is applied to all inputs, and undone in predictions.
    """

    network: Network
    heads: Mapping[str, Head]
    measures: Mapping[str, HeadMetric]
    weights: Mapping[str, Params]
    about: Data
    scale: Scale

    def __repr__(self) -> str:
        return "\n".join([*table.text(self._rows), *self._facts])

    def _repr_html_(self) -> str:
        return f"{table.table(self._rows)}<pre>{html.escape(chr(10).join(self._facts))}</pre>"

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        return table.rows(self.network.nodes, table.of_weights(self.weights), vars(self.network).get("shapes", {}))

    @property
    def _facts(self) -> list[str]:
        """The number of parameters, the heads and the fields, one line each."""
        count = sum(a.size for tensors in self.weights.values() for a in tensors.values())
        heads = [f"head {name}: {head}" for name, head in self.heads.items()]
        return [f"{count:,} parameters, {self._dtype}", *heads, *(f"field {line}" for line in self.about.described())]

    @classmethod
    def of(cls, trained: Trained, weights: Mapping[str, Params], about: Data, scale: Scale) -> Model:
        """A model of what was trained, such as a `Learner`."""
        return cls(trained.network, trained.heads, in_units(trained.measures, trained.heads, scale), weights, about, scale)

    def passes(
        self, fields: Mapping[str, np.ndarray], carry: Mapping[str, Any] = MappingProxyType({})
    ) -> Iterator[tuple[Values, Mapping[str, Any], Context]]:
        """Values and caches of all nodes for fields (n, ...) in the layout of the data set, and the context of the pass: all
        rows at once; for stateful sequences row by row, with carried states.

        Args:
            carry: node -> the state in which the first rows begin.

        Raises:
            DataError: the fields differ from those of the training split.
        """
        network, ctx = self.network, Context(train=False, carry=carry)
        scaled = self.scale.apply(self._check_fields(fields))
        rows = [slice(i, i + 1) for i in range(len(next(iter(scaled.values()))))] if self.about.stateful else [slice(None)]
        for part in rows:
            ctx = ctx.but(batch={name: self._oriented(name, np.asarray(a)[part]) for name, a in scaled.items()})
            with np.errstate(all="ignore"):
                values, caches = network.forward(self.weights, ctx)
            yield values, caches, ctx
            ctx = ctx.but(carry=network.carry(caches))

    def _check_fields(self, fields: Mapping[str, np.ndarray], needed: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Validated fields: with the shapes of the training split, and values that their kind allows.

        Args:
            needed: required fields, besides those that layers read.
        """
        arrays, nodes = {name: np.asarray(a) for name, a in fields.items()}, self.network.nodes.values()
        read = {source for node in nodes for source in node.sources if source in self.about.fields}
        for name in (*sorted(read), *needed):
            if name not in arrays:
                raise DataError(f"the field '{name}' is missing{did_you_mean(name, arrays)}")
        trained = self.about.splits.get("train", {})
        for name, a in arrays.items():
            if name not in self.about.fields:
                raise DataError(f"unknown field '{name}'{did_you_mean(name, self.about.fields)}")
            if name in trained and not self._fits(name, a, trained[name].shape):
                axes, shape = self.about.fields[name].axes, trained[name].shape
                known = ", ".join(
                    ["n", *("T" if axis == "T" else str(k) for axis, k in zip(axes[1:], shape[1:], strict=True))]
                )
                raise DataError(f"'{name}' has shape {a.shape}; the training split has ({known}){self._features(name)}")
        return checked_arrays(self.about.fields, arrays)

    def _features(self, name: str) -> str:
        """The names of a field's features, for the end of an error message."""
        features = self.about.fields[name].features
        return f": {shown_names(features)}" if features else ""

    def _fits(self, name: str, a: np.ndarray, trained: tuple[int, ...]) -> bool:
        """Whether a field has the axes and features of the training split; other image sizes fit if no tensor of the network
        depends on them."""
        axes = self.about.fields[name].axes
        if a.ndim != len(axes):
            return False
        if axes != "NCHW":
            return not axes.endswith("F") or bool(a.shape[-1] == trained[-1])
        if a.shape[1:] == trained[1:]:
            return True
        network = self.network
        try:
            shapes = replace(network, fields={**network.fields, name: a.shape[1:]}).tensor_shapes
        except ValueError:
            return False
        return all(shape == np.shape(self.weights[node][t]) for (node, t), shape in shapes.items())

    def _oriented(self, name: str, a: np.ndarray) -> np.ndarray:
        field = self.about.fields.get(name)
        if field is not None and field.kind in ("real", "mask"):
            a = a.astype(self._dtype)
        return a.swapaxes(0, 1) if field is not None and field.time_major else a

    @property
    def _dtype(self) -> np.dtype[Any]:
        arrays = (a for tensors in self.weights.values() for a in tensors.values())
        return np.dtype(next((a.dtype for a in arrays), np.float32))

    def predict(
        self,
        x: np.ndarray | Mapping[str, np.ndarray],
        head: str | None = None,
        layout: Layout = "batch_major",
        beam: int | None = None,
    ) -> np.ndarray:
        """Predictions of a head: probabilities (n, K) of a classifier, values (n, F) of a regression; (n, T, K) and (n, T,
        F) if there is a prediction for every step of a sequence.

        Args:
            x: the first field (n, ...), or several fields, by name.
            head: the name of the head, if there are several.
            layout: of sequences, in and out; time_major: (T, n, F) and (T, n, K).
            beam: the width of a beam search over the tags that a decoder reads one step later (a tag_decoder with feedback:
                tag). The prediction is then the most probable sequence, as ones and zeros.

        Raises:
            ConfigError: unknown head, or a beam without such a decoder.
            DataError: the fields differ from those of the training split.
        """
        time_first = layout == "time_major"
        fields = self._fields(x, time_first)
        heads = self.heads
        if head is not None and head not in heads:
            raise ConfigError(f"head: unknown head '{head}'{did_you_mean(head, heads)}")
        chosen = heads[head or next(iter(heads))]
        parts = [self._predicted(chosen, values, ctx, beam) for values, _, ctx in self.passes(fields)]
        y = parts[0] if len(parts) == 1 else np.concatenate(parts, -2)
        y = self.scale.undo(str(chosen.target), y)
        target = self.about.fields.get(str(chosen.target))
        return y.swapaxes(0, 1) if target is not None and target.time_major and not time_first else y

    def _predicted(self, head: Head, values: Values, ctx: Context, beam: int | None) -> np.ndarray:
        """The prediction of a head, by beam search if a width is given."""
        if beam is None:
            return np.asarray(head.prediction(values, ctx))
        if beam < 1:
            raise ConfigError(f"beam: {beam} is not allowed; at least 1 (greedy)")
        if self.about.stateful:
            raise ConfigError("beam: sequences that continue one another are predicted one after the other, without a beam")
        try:
            return np.asarray(best_tags(self.network, self.weights, head, values, ctx, beam))
        except ValueError as error:
            raise ConfigError(f"beam: {error}") from error

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.predict(x)

    def trace(self, x: np.ndarray | Mapping[str, np.ndarray], layout: Layout = "batch_major") -> dict[str, np.ndarray]:
        """The states of the recurrent layers, step by step, `<layer>/<name>` -> (n, T, k): the parts of the state after each
        step (h; h and c of an lstm), and further values of the cell (gates i, f, o, the candidate g).

        Args:
            x, layout: as in `predict`; time_major: (T, n, k).
        """
        time_first, nodes = layout == "time_major", self.network.nodes
        found: dict[str, list[np.ndarray]] = {}
        for _, caches, ctx in self.passes(self._fields(x, time_first)):
            for node in [name for name in caches if hasattr(nodes[name].layer, "trace")]:
                shown: Mapping[str, np.ndarray] = nodes[node].layer.trace(caches[node], ctx.at(node))  # type: ignore[attr-defined]
                for name, a in shown.items():
                    found.setdefault(f"{node}/{name}", []).append(a)
        joined = {name: np.concatenate(parts, -2) for name, parts in found.items()}
        return joined if time_first else {name: a.swapaxes(0, 1) for name, a in joined.items()}

    def _fields(self, x: np.ndarray | Mapping[str, np.ndarray], time_first: bool) -> dict[str, np.ndarray]:
        """Fields in the layout of the data set, batch first."""
        fields = dict(x) if isinstance(x, Mapping) else {next(iter(self.about.fields)): x}
        turned = [name for name, f in self.about.fields.items() if time_first and f.time_major and name in fields]
        return {name: np.swapaxes(a, 0, 1) if name in turned else a for name, a in fields.items()}

    def evaluate(self, fields: Mapping[str, np.ndarray], beam: int | None = None) -> dict[str, float]:
        """Loss and metrics on fields that include the targets, and the parts of metrics that have some.

        Args:
            beam: as in `predict`, for the metrics of predictions; the loss is that of the greedy pass.

        Raises:
            ConfigError: a beam without a decoder that reads its tags.
            DataError: the fields differ from those of the training split, or one is missing.
        """
        admitted = self._check_fields(fields, sorted(self.targets))
        there = {name: f for name, f in self.about.fields.items() if name in admitted}
        data = replace(self.about, splits={"test": self.scale.apply(admitted)}, fields=there)
        p = {node: {name: a[None] for name, a in tensors.items()} for node, tensors in self.weights.items()}
        feed, ctx = DataLoader([data], "test", np, self._dtype), Context(replicas=(1,))
        with np.errstate(all="ignore"):
            values = evaluate(self.network, self.heads, self.measures, p, feed, ctx, parts=True)
        found = {name: float(value[0]) for name, value in values.items()}
        return found if beam is None else found | self._measured_by_beam(admitted, beam)

    def _measured_by_beam(self, fields: Mapping[str, np.ndarray], beam: int) -> dict[str, float]:
        """The metrics of predictions, of the heads that read the decoder."""
        tally = MetricAccumulator(self.measures)
        for values, _, ctx in self.passes(fields):
            for name, measure in self.measures.items():
                head = self.heads[measure.head]
                if not getattr(measure.metric, "raw", False) and reads_tags(self.network, head):
                    y = self._predicted(head, values, ctx, beam)
                    t, mask = ctx.batch[str(head.target)], ctx.batch.get(str(head.mask))
                    tally.add_counts(name, measure.metric.count(y, t, ctx, mask), np)
        if not tally.found:
            raise ConfigError("beam: no metric reads a decoder that reads its own tags (a tag_decoder with feedback: tag)")
        return {name: float(value) for name, value in tally.values(Context(), parts=True).items()}

    @property
    def targets(self) -> set[str]:
        """The fields that heads compare with; a prediction does not need them."""
        return {head.target for head in self.heads.values() if head.target}

    @property
    def head(self) -> Head:
        """The first head."""
        return next(iter(self.heads.values()))


def save(folder: Path, weights: Mapping[str, Params], data: Data, scale: Scale) -> None:
    """Write a model into a run's folder: weights as plain arrays, the rest as JSON."""
    flat = {f"{node}/{name}": a for node, tensors in weights.items() for name, a in tensors.items()}
    with replaced(folder / WEIGHTS) as file:
        np.savez(file, allow_pickle=False, **flat)
    write_text(folder / ABOUT, _about(data, scale))


_ABOUT: list[tuple[Data, Scale, str]] = []  # the latest one: the jobs of a sweep share their data


def _about(data: Data, scale: Scale) -> str:
    """The description of the data, as JSON."""
    for known, of_known, text in _ABOUT:
        if known is data and of_known is scale:
            return text
    fields = {name: {**asdict(f), "shape": data.splits["train"][name].shape[1:]} for name, f in data.fields.items()}
    about: dict[str, Any] = {"fields": fields, "splits": list(data.splits), "names": list(data.names)}
    about |= {
        "stateful": data.stateful,
        "forecast": list(data.forecast),
        "scale": scale.to_json(),
        "encoding": data.encoding.to_json() if data.encoding else None,
    }
    text = json.dumps(about, indent=1) + "\n"
    _ABOUT[:] = [(data, scale, text)]
    return text


def read_about(folder: Path) -> tuple[Data, Scale]:
    """The saved description of the data: a data set without examples, and its scale.

    Raises:
        OSError, ValueError, KeyError: the file is missing or not valid.
    """
    content = read_json(folder / ABOUT)
    fields = {
        name: Field(f["axes"], f["kind"], f["size"], tuple(f.get("names", ())), tuple(f.get("features", ())))
        for name, f in content["fields"].items()
    }
    empty = {name: np.zeros((0, *f["shape"])) for name, f in content["fields"].items()}
    encoded = content["encoding"]
    encoding = discover().get("dataset", encoded["type"]).encoding_from_json(encoded) if encoded else None
    more = {"names": content["names"], "encoding": encoding, "stateful": content.get("stateful", False)}
    more["forecast"] = tuple(content.get("forecast", ()))
    scale = Scale.from_json(content["scale"])
    return Data(dict.fromkeys(content["splits"], empty), fields, scale=scale.how, **more), scale


def read_weights(folder: Path, arena: Arena) -> dict[str, Params]:
    """The saved weights.

    Raises:
        OSError, ValueError, KeyError: the file is missing, or from another network.
    """
    with open_archive(folder / WEIGHTS) as file:
        weights: dict[str, Params] = {}
        for (node, name), slot in arena.slots.items():
            a = file[f"{node}/{name}"]
            if a.shape != slot.shape:
                raise ValueError(f"{node}/{name} has shape {a.shape}, but the network needs {slot.shape}")
            weights.setdefault(node, {})[name] = a
    return weights
