"""All tensors of a network in one array."""

import numpy as np
import pytest

from framework.nn.arena import Arena

SHAPES = {
    ("a", "W"): (3, 2),
    ("a", "b"): (1, 2),
    ("norm", "mean"): (1, 2),
    ("norm", "gain"): (1, 2),
    ("frozen", "W"): (2, 2),
    ("out", "W"): (2, 1),
}
UNTRAINED = {("norm", "mean"), ("frozen", "W")}


@pytest.fixture
def arena():
    return Arena(SHAPES, UNTRAINED)


def tensors(seed):
    rng = np.random.default_rng(seed)
    nodes = {}
    for (node, tensor), shape in SHAPES.items():
        nodes.setdefault(node, {})[tensor] = rng.standard_normal(shape)
    return nodes


def test_trained_numbers_come_first(arena):
    assert (arena.P, arena.size) == (12, 18)
    for name, slot in arena.slots.items():
        assert (slot.start >= arena.P) == (name in UNTRAINED)


def test_slots_fill_the_arena_without_gaps(arena):
    spans = sorted((slot.start, slot.stop) for slot in arena.slots.values())
    assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
    assert spans[-1][1] == arena.size


def test_layers_are_the_nodes_with_trained_tensors(arena):
    assert arena.layers == ("a", "norm", "out")
    assert set(arena.trained["norm"]) == {"gain"}


def test_fill_puts_every_replica_in_its_row(arena):
    replicas = [tensors(0), tensors(1)]
    w = arena.fill(replicas, np.float64)
    assert w.shape == (2, 18)
    for r, nodes in enumerate(replicas):
        for node, views in arena.views(w).items():
            for t, view in views.items():
                assert np.array_equal(view[r], nodes[node][t])


def test_fill_takes_the_dtype(arena):
    assert arena.fill([tensors(0)], np.float32).dtype == np.float32


def test_views_have_replica_axes_and_core_shapes(arena):
    for lead in ((), (3,), (2, 3)):
        views = arena.views(np.zeros((*lead, arena.size)))
        assert {(n, t): v.shape for n, p in views.items() for t, v in p.items()} == {
            k: (*lead, *s) for k, s in SHAPES.items()
        }


def test_writing_through_a_view_writes_into_the_arena(arena):
    w = np.zeros((2, arena.size))
    arena.views(w)["out"]["W"][1] = 5
    slot = arena.slots["out", "W"]
    assert (w[1, slot.start : slot.stop] == 5).all()
    assert w.sum() == 10


def test_views_of_the_trained_part_share_memory_with_the_whole(arena):
    w = np.zeros((2, arena.size))
    arena.views(w[..., : arena.P])["a"]["W"][...] = 1
    assert w.sum() == 12


def test_a_gradient_has_no_view_of_buffers_and_frozen_tensors(arena):
    views = arena.views(np.zeros((2, arena.P)))
    assert {(n, t) for n, p in views.items() for t in p} == SHAPES.keys() - UNTRAINED


@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_norms_of_everything_and_of_each_layer(arena, lead):
    g = np.random.default_rng(0).standard_normal((*lead, arena.P))
    norms = arena.norms(g, np)
    assert norms.shape == (*lead, 4)
    assert norms[..., 0] == pytest.approx(np.linalg.norm(g, axis=-1), abs=1e-12)
    for i, node in enumerate(arena.layers, 1):
        parts = [v.reshape(*lead, -1) for v in arena.views(g)[node].values()]
        assert norms[..., i] == pytest.approx(np.linalg.norm(np.concatenate(parts, -1), axis=-1), abs=1e-12)


def test_norms_of_numbers_whose_squares_overflow(arena):
    g = np.full((2, arena.P), 3e25, np.float32)
    g[1] = 0
    with np.errstate(over="ignore"):  # as training does
        found = arena.norms(g, np)
    assert found[0, 0] == pytest.approx(3e25 * np.sqrt(arena.P), rel=1e-6)
    assert (found[1] == 0).all()


def test_norms_leave_the_gradient_alone(arena):
    g = np.random.default_rng(0).standard_normal((2, arena.P))
    before = g.copy()
    arena.norms(g, np)
    assert np.array_equal(g, before)


def test_norms_keep_the_dtype(arena):
    assert arena.norms(np.ones((2, arena.P), np.float32), np).dtype == np.float32


def test_a_network_without_trained_tensors():
    arena = Arena({("a", "W"): (2, 2)}, {("a", "W")})
    assert (arena.P, arena.size, arena.layers) == (0, 4, ())
    assert np.array_equal(arena.norms(np.zeros((3, 0)), np), np.zeros((3, 1)))
