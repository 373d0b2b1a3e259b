"""Beam search: the sequence of symbols of the highest probability, among the most probable beginnings at every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.types import Params
from framework.inference.decoding import Decoder, stepwise
from framework.nn.heads import Head
from framework.nn.network import Network, Values

# (t, rows, said) -> the probabilities (n b, K) of the symbols of step t. rows (n b): of the hypotheses at the step before,
# those that go on; said (n b): their last symbols; both None at the first step.
Step = Callable[[int, np.ndarray | None, np.ndarray | None], Any]


class Hypotheses(NamedTuple):
    """The best sequences of symbols (n, b, T) of each example, the best first, and the logarithms of their probabilities
    (n, b)."""

    paths: np.ndarray
    scores: np.ndarray


def beam_search(step: Step, n: int, length: int, width: int, there: np.ndarray | None = None) -> Hypotheses:
    """Sequences of `length` symbols for n examples.

    Of all one symbol longer hypotheses, the `width` most probable ones stay. With a width of 1 it is greedy; with a width of
    K^(length - 1) the result is the most probable of all sequences.

    Args:
        there: where a step counts (T, n); elsewhere the symbol is 0, and the probability stays.
    """
    scores, paths = np.zeros((n, 1)), np.zeros((n, 1, 0), int)
    rows: np.ndarray | None = None
    for t in range(length):
        said = None if t == 0 else paths[..., -1].ravel()
        with np.errstate(divide="ignore"):
            logs = np.log(np.asarray(step(t, rows, said), float)).reshape(n, scores.shape[1], -1)
        if there is not None:
            skipped = np.where(np.arange(logs.shape[-1]) == 0, 0.0, -np.inf)
            logs = np.where(there[t][:, None, None], logs, skipped)
        total = (scores[..., None] + logs).reshape(n, -1)
        best = np.argsort(-total, axis=1, kind="stable")[:, :width]
        parents, symbols = np.divmod(best, logs.shape[-1])
        rows = (parents + scores.shape[1] * np.arange(n)[:, None]).ravel()
        scores = np.take_along_axis(total, best, 1)
        paths = np.concatenate((np.take_along_axis(paths, parents[..., None], 1), symbols[..., None]), -1)
    return Hypotheses(paths, scores)


def decoder_step(decoder: Decoder, network: Network, p: Mapping[str, Params], head: Head, ctx: Context) -> Step:
    """The step of a decoder that reads its last symbol as a field."""
    stepper = decoder.stepper(network, p, head, ctx)
    n, carry = ctx.batch[decoder.field].shape[-1], None

    def step(t: int, rows: np.ndarray | None, said: np.ndarray | None) -> Any:
        nonlocal carry
        if rows is None or said is None:
            y, carry = stepper.step(np.full(n, decoder.start), None)
        else:
            y, carry = stepper.of(owners(n, rows)).step(said, chosen_rows(carry, rows))
        return y

    return step


def text_step(network: Network, p: Mapping[str, Params], head: Head, field: str, prompt: np.ndarray) -> Step:
    """The step of a network that predicts the next symbol of a text, after a prompt (T, 1)."""
    carry: Mapping[str, Array] = {}

    def step(t: int, rows: np.ndarray | None, said: np.ndarray | None) -> Any:
        nonlocal carry
        ids = prompt if rows is None or said is None else said[None]
        carry = carry if rows is None else chosen_rows(carry, rows)
        ctx = Context(train=False, batch={field: ids}, carry=carry)
        values, caches = network.forward(p, ctx)
        carry = network.carry(caches)
        return head.prediction(values, ctx)[-1]

    return step


def feeding_node(network: Network) -> str:
    """The node whose steps read the tag before, and which can be given another one.

    Raises:
        ValueError: the network has none, or a later layer reads its whole output.
    """
    found = [name for name, node in network.nodes.items() if getattr(node.layer, "feeds_tags", False)]
    if not found:
        raise ValueError("no layer reads its own tags; use a tag_decoder with feedback: tag (model.feedback=tag)")
    for name, node in stepwise(network, found[0]).items():
        layer: Any = node.layer
        whole = getattr(layer, "reverse", False) or getattr(layer, "whole_sequences", False)
        if whole or getattr(layer, "output", "all") != "all":
            raise ValueError(
                f"the layer '{name}' reads all steps of '{found[0]}', so the tags cannot be chosen step by step"
            )
    return found[0]


def reads_tags(network: Network, head: Head) -> bool:
    """Whether a head compares what such a node, or a later one, says."""
    nodes = [name for name, node in network.nodes.items() if getattr(node.layer, "feeds_tags", False)]
    return any(source in (name, *stepwise(network, name)) for name in nodes for source in head.sources)


def best_tags(network: Network, p: Mapping[str, Params], head: Head, values: Values, ctx: Context, width: int) -> Array:
    """The most probable tags of a decoder that reads its last tag, by beam search, as ones and zeros (T, N, K).

    Args:
        values: of all nodes, from a forward pass without replica axes.
        ctx: the context of that pass.

    Raises:
        ValueError: see `feeding_node`.
    """
    node = feeding_node(network)
    length, n, K = values[node].shape
    mask = ctx.batch.get(network.nodes[node].layer.mask)  # type: ignore[attr-defined]
    there = None if mask is None else np.asarray(mask) > 0
    paths = beam_search(_tag_step(network, node, p, head, values, ctx), n, length, width, there).paths
    return (paths[:, 0].swapaxes(0, 1)[..., None] == np.arange(K)).astype(values[node].dtype)


def _tag_step(network: Network, node: str, p: Mapping[str, Params], head: Head, values: Values, ctx: Context) -> Step:
    """The step of a network from the decoder on; what is before it has run."""
    later = {node, *stepwise(network, node)}
    layer: Any = network.nodes[node].layer
    n, carry, mask = values[node].shape[1], dict(ctx.carry), ctx.batch.get(layer.mask)

    def at(t: int, name: str, of: np.ndarray) -> Array:
        """A value of one step, for these examples; those without steps as they are."""
        in_time = network.shapes.get(name, (None,))[:1] == (None,)
        return values[name][t : t + 1, of] if in_time else values[name][of]

    def step(t: int, rows: np.ndarray | None, said: np.ndarray | None) -> Any:
        nonlocal carry
        of = np.arange(n) if rows is None else owners(n, rows)
        if rows is not None and said is not None:
            carry = chosen_rows(carry, rows)
            given_tags = layer.with_tags(carry[node], said)
            carry[node] = given_tags if mask is None else np.where(mask[t - 1, of][:, None] > 0, given_tags, carry[node])
        here = ctx.but(train=False, batch={name: at(t, name, of) for name in ctx.batch}, carry=carry)
        given = {name: at(t, name, of) for name in values if name not in later and name not in ctx.batch}
        out, caches = network.forward(p, here, given)
        carry = dict(network.carry(caches))
        return head.prediction(out, here)[0]

    return step


def owners(n: int, rows: np.ndarray) -> np.ndarray:
    """The example of each row, where every example has equally many."""
    return np.repeat(np.arange(n), len(rows) // n)


def chosen_rows(carry: Mapping[str, Array] | None, rows: np.ndarray) -> dict[str, Array]:
    """Some rows of states (N, S)."""
    return {name: s[rows] for name, s in (carry or {}).items()}
