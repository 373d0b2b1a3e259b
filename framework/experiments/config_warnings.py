"""Warnings about configurations that are allowed, but unlikely to be meant."""

from __future__ import annotations

from collections.abc import Mapping

from framework.nn.heads import Head
from framework.nn.network import Network
from framework.training.learner import Learner


def config_warnings(learner: Learner) -> list[str]:
    """Warnings about a network: a softmax before a loss that applies one, or none before a loss that needs one; a function
    for hidden layers at the end, or the reverse; a bias without effect; a probe of recurrent layers without any; options
    without effect."""
    network = learner.network
    warnings = [*_probes(learner), *_unused(learner)]
    for name, head in learner.heads.items():
        warnings += _probabilities(name, head, network)
        for source in head.sources:
            if _place(network, source) == "hidden":
                who = _function(network, source)
                warnings.append(
                    f"heads.{name}: '{source}' ends the network with {who}, which is for hidden layers; remove it"
                )
    return [*warnings, *_softmax_inside(network, learner.heads), *_biases(network)]


def _probes(learner: Learner) -> list[str]:
    """A line on each probe of sequences that finds no layer with what it reads: by default the gradients by time step."""
    layers = [node.layer for node in learner.network.nodes.values()]
    probes = {name: probe for name, probe in learner.probes.items() if getattr(probe, "sequences", False)}
    read = {name: getattr(probe, "reads", "terms") for name, probe in probes.items()}
    blind = [name for name, member in read.items() if not any(hasattr(layer, member) for layer in layers)]
    return [f"probes.{name}: it measures recurrent layers, but the network has none" for name in blind]


def _unused(learner: Learner) -> list[str]:
    """A line on options that others would have to go with."""
    options, found = learner.options, []
    if options.early_stopping.min_delta and not options.keeps_best:
        found.append(
            "trainer.early_stopping.min_delta: no effect without trainer.early_stopping.patience or trainer.keep=best"
        )
    if options.probe_every != type(options)().probe_every and not learner.probes:
        found.append(f"trainer.probe_every: no effect without probes (got {options.probe_every}); for example probes=[dead]")
    return found


def _probabilities(name: str, head: Head, network: Network) -> list[str]:
    who, reads, warnings = type(head.loss).__name__, getattr(head.loss, "outputs", None), []
    for source in head.sources:
        given = getattr(network.nodes[source].layer, "outputs", None)
        if reads == "raw" and given == "probability":
            warnings.append(
                f"heads.{name}: {who} computes probabilities itself, but '{source}' already outputs them; remove it"
            )
        if reads == "probability" and given != "probability":
            warnings.append(f"heads.{name}: {who} needs probabilities, but '{source}' declares none")
    return warnings


def _place(network: Network, node: str) -> str | None:
    return getattr(network.nodes[node].layer, "place", None) if node in network.nodes else None


def _function(network: Network, node: str) -> str:
    return type(getattr(network.nodes[node].layer, "function", None)).__name__


def _softmax_inside(network: Network, heads: Mapping[str, Head]) -> list[str]:
    """A line on functions for the last layer that layers with weights read."""
    weighted = {node for node, _ in network.tensor_shapes}
    read = {source for name in weighted for source in network.nodes[name].sources}
    inside = [name for name in network.nodes if name in read and _place(network, name) == "output"]
    if not inside:
        return []
    return [
        f"model.layers.{', '.join(inside)}: {_function(network, inside[0])} is for the last layer; as a hidden layer its "
        "units compete, since they sum to 1"
    ]


def _biases(network: Network) -> list[str]:
    """A line on biases whose effect the next layer subtracts again."""
    tensors, found = set(network.tensor_shapes), []
    for node in network.nodes.values():
        if getattr(node.layer, "centres", False):
            found += [source for source in node.sources if (source, "b") in tensors]
    if not found:
        return []
    has = "have biases" if len(found) > 1 else "has a bias"
    return [
        f"model.layers: {', '.join(found)} {has} without effect, as batch normalization subtracts the mean; "
        f"model.layers.{found[0]}.bias=false"
    ]
