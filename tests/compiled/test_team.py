"""A network alone on several threads: they share the kernels, and the numbers are those of one thread."""

import numpy as np
import pytest
from compiling import same
from networks import learner
from tiers import agree

from framework import Data, Field, Network, discover, train
from framework.training.compiled import team
from framework.training.compiled.step import CompiledStep

get = discover().get


def data(*shape):
    rng = np.random.default_rng(0)
    return Data({"train": {"x": rng.standard_normal(shape), "y": rng.standard_normal((*shape[:-1], 1))}}, FIELDS[len(shape)])


FIELDS = {2: {"x": Field("NF"), "y": Field("NF")}, 3: {"x": Field("NTF"), "y": Field("NTF")}}


def member(kind):
    layer = get("layer", "dense")(96) if kind == 2 else get("layer", "recurrent")(get("cell", "lstm")(48))
    nodes = {"hidden": layer, "act": get("layer", "activation")(), "out": get("layer", "dense")(1)}
    return learner(Network(nodes, {"x": (64,) if kind == 2 else (None, 64)}), batch_size=96, steps=6)


SHAPES = [(192, 64), (96, 8, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "recurrent"])
def test_the_numbers_do_not_depend_on_the_threads(shape):
    found = []
    for threads in (1, 2, 5):
        (outcome,) = train([member(len(shape))], [data(*shape)], [0], tier="compiled", threads=threads)
        found.append(np.concatenate([w.ravel() for node in outcome.weights.values() for w in node.values()]))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "recurrent"])
def test_shared_kernels_give_the_numbers_of_the_array_tier(shape):
    agree([member(len(shape))], data(*shape), threads=3)


def test_threads_without_a_replica_help(monkeypatch):
    helped = []
    monkeypatch.setattr(CompiledStep, "help", lambda step, memory: helped.append(memory))
    train([member(2), member(2)], [data(*SHAPES[0])], [0, 1], tier="compiled", threads=5)
    assert len(helped) % 3 == 0
    assert len({memory.ctypes.data for memory in helped[:3]}) == 2


def test_small_kernels_are_not_cut(monkeypatch):
    assert team.parts_of(team.WORTH * 0.9) == 1
    assert 2 <= team.parts_of(team.WORTH) < team.parts_of(1) == team.MOST


@pytest.mark.parametrize(("extent", "parts", "unit"), [(100, 3, 1), (130, 4, 16), (64, 8, 64), (7, 8, 1), (65, 2, 64)])
def test_parts_cover_an_axis_once(extent, parts, unit):
    count, step, _ = team.bounds(extent, parts, unit)
    pieces = [range(i * step, extent if i == count - 1 else (i + 1) * step) for i in range(count)]
    assert [i for piece in pieces for i in piece] == list(range(extent))
    assert all(len(piece) % unit == 0 for piece in pieces[:-1])


def test_every_kind_of_kernel_can_be_cut(monkeypatch):
    monkeypatch.setattr(team, "WORTH", 0.0)
    monkeypatch.setattr(team, "PART", 1e-9)
    rng = np.random.default_rng(0)

    def kernels(xp, x, w, a):
        products = [x @ w, x.swapaxes(-1, -2) @ x, w @ w.swapaxes(-1, -2), a @ w[:65, :7]]
        sums = [x.sum(), (x * x).sum(-1), x.sum(0), x.max(-1), x.max(), a.sum((0, 1)), a.sum((0, 2)), a.mean()]
        return [*products, *sums, xp.tanh(x) * 2 + w[:1, :65].sum(), x.argmax(-1), a.swapaxes(0, 1) + 1]

    same(kernels, x=rng.standard_normal((130, 65)), w=rng.standard_normal((65, 130)), a=rng.standard_normal((5, 70, 65)))
