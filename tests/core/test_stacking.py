"""R lone components become one, and a stack lets go of replicas."""

from dataclasses import dataclass

import numpy as np
import pytest
from networks import learner, mlp

from framework import Head, keep_replicas, option, stack
from framework.core.stacking import CannotStackError, to_device
from framework_activations.relu import Relu
from framework_layers.dropout import Dropout
from framework_losses.mse import MeanSquaredError
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.sgd import Sgd


@dataclass(frozen=True)
class Inner:
    rate: float = option(1.0, stackable=True)


@dataclass(frozen=True)
class Outer:
    units: int = 3
    scale: float | None = option(1.0, stackable=True)
    flag: bool = option(True, stackable=True)
    inner: Inner = option(Inner)
    parts: tuple = ()
    by_name: dict = option(dict)
    table: np.ndarray | None = None


def test_equal_fields_stay_as_they_are():
    assert stack([Sgd(0.1), Sgd(0.1), Sgd(0.1)]) == Sgd(0.1)


def test_one_component_is_its_own_stack():
    assert stack([Outer(scale=2.0)]) == Outer(scale=2.0)


def test_differing_stackable_fields_become_arrays():
    together = stack([Adam(0.1), Adam(0.2, beta1=0.5), Adam(0.1)])
    assert np.array_equal(together.lr, [0.1, 0.2, 0.1])
    assert np.array_equal(together.beta1, [0.9, 0.5, 0.9])
    assert together.beta2 == 0.999


def test_components_inside_components_are_merged():
    together = stack([Outer(inner=Inner(1.0)), Outer(inner=Inner(2.0))])
    assert np.array_equal(together.inner.rate, [1, 2])


def test_components_in_tuples_and_mappings_are_merged():
    parts = [Outer(parts=(Inner(r), Inner(5.0)), by_name={"a": Inner(10 * r)}) for r in (1.0, 2.0)]
    together = stack(parts)
    assert np.array_equal(together.parts[0].rate, [1, 2])
    assert together.parts[1] == Inner(5.0)
    assert np.array_equal(together.by_name["a"].rate, [10, 20])


def test_a_field_that_is_not_stackable_may_not_differ():
    with pytest.raises(CannotStackError, match=r"^units: 3, 4 differ, but this option is not stackable$"):
        stack([Outer(3), Outer(4)])


def test_the_message_names_the_path():
    with pytest.raises(CannotStackError, match=r"^optimizer: Momentum and Sgd cannot share a stack"):
        stack([learner(mlp(2), Sgd()), learner(mlp(2), Momentum())])
    with pytest.raises(CannotStackError, match=r"^network\.nodes\.out\.layer\.units: 2, 5 differ"):
        stack([learner(mlp(2)), learner(mlp(5))])
    with pytest.raises(CannotStackError, match=r"^options\.epochs: 1, 2, 3 \.\.\. differ"):
        stack([learner(mlp(2), epochs=epochs) for epochs in (1, 2, 3, 4)])


def test_different_types_cannot_share_a_stack():
    with pytest.raises(CannotStackError, match="components: Adam and Sgd cannot share a stack"):
        stack([Sgd(), Adam()])


def test_a_number_and_nothing_cannot_share_a_stack():
    with pytest.raises(CannotStackError, match="scale: NoneType and float"):
        stack([Outer(scale=None), Outer(scale=1.0)])


def test_a_flag_is_no_number():
    with pytest.raises(CannotStackError, match="flag: True, False differ"):
        stack([Outer(flag=True), Outer(flag=False)])


def test_names_and_lengths_must_agree():
    with pytest.raises(CannotStackError, match="by_name: the names differ"):
        stack([Outer(by_name={"a": Inner()}), Outer(by_name={"b": Inner()})])
    with pytest.raises(CannotStackError, match="parts: the lengths differ"):
        stack([Outer(parts=(Inner(),)), Outer(parts=())])


def test_a_whole_learner_stacks():
    together = stack([learner(mlp(4, 2, keep=k), Sgd(k), clip_norm=10 * k) for k in (0.5, 0.8)])
    assert np.array_equal(together.optimizer.lr, [0.5, 0.8])
    assert np.array_equal(together.network.nodes["drop0"].layer.keep, [0.5, 0.8])
    assert np.array_equal(together.options.clip_norm, [5, 8])


def test_heads_stack_their_weights():
    heads = [Head(MeanSquaredError(), "out", weight=w) for w in (1.0, 2.0)]
    assert np.array_equal(stack(heads).weight, [1, 2])


def test_stacking_leaves_the_parts_alone():
    parts = [Inner(1.0), Inner(2.0)]
    stack(parts)
    assert parts == [Inner(1.0), Inner(2.0)]


def test_take_drops_replicas_everywhere():
    learners = [learner(mlp(4, 2, keep=k), Sgd(k), clip_norm=10 * k) for k in (0.5, 0.8, 0.6)]
    rest = keep_replicas(stack(learners), np.array([True, False, True]))
    expected = stack([learners[0], learners[2]])
    assert np.array_equal(rest.optimizer.lr, expected.optimizer.lr)
    assert np.array_equal(rest.network.nodes["drop0"].layer.keep, expected.network.nodes["drop0"].layer.keep)
    assert np.array_equal(rest.options.clip_norm, expected.options.clip_norm)
    assert rest.options.epochs == expected.options.epochs


@pytest.mark.parametrize("keep", [np.array([True, False, True]), np.array([0, 2])], ids=["booleans", "indices"])
def test_take_cuts_arrays_in_mappings_and_tuples(keep):
    m = np.arange(6.0).reshape(3, 2)
    state = keep_replicas({"m": m, "t": 4, "both": (m, 1.5)}, keep)
    assert np.array_equal(state["m"], m[[0, 2]])
    assert np.array_equal(state["both"][0], m[[0, 2]])
    assert (state["t"], state["both"][1]) == (4, 1.5)


def test_take_leaves_what_replicas_share():
    shared = np.arange(4.0).reshape(1, 4)
    assert keep_replicas(shared, np.array([True, False, True])) is shared


def test_take_leaves_arrays_that_are_no_stackable_option():
    table = np.arange(3.0)
    assert keep_replicas(Outer(table=table), np.array([True, False, True])).table is table


def test_take_twice_equals_take_once():
    together = stack([Dropout(k) for k in (0.1, 0.2, 0.3, 0.4)])
    twice = keep_replicas(keep_replicas(together, np.array([True, True, False, True])), np.array([True, False, True]))
    assert np.array_equal(twice.keep, [0.1, 0.4])


def test_placed_moves_arrays_and_nothing_else():
    class Module:
        @staticmethod
        def asarray(a):
            return ("on the device", a.tolist())

    together = to_device(stack([Outer(scale=1.0), Outer(scale=2.0)]), Module)
    assert together.scale == ("on the device", [1.0, 2.0])
    assert together.units == 3
    assert to_device({"a": (Relu(), 1)}, Module) == {"a": (Relu(), 1)}
