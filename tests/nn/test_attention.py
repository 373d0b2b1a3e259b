"""Self-attention, positions and what goes with them: under masks, at the last step, and by time lag."""

from dataclasses import replace

import numpy as np
import pytest
from configs import prepared

from framework import Callback, Context
from framework.core.errors import ConfigError
from framework.experiments.config_warnings import config_warnings
from framework.training.trainer import train
from framework_layers.mean_over_time import MeanOverTime
from framework_layers.multiply import Multiply
from framework_layers.positions import Positions
from framework_layers.self_attention import SelfAttention

RNG = np.random.default_rng(0)
T, N, F = 5, 3, 4
MASK = (np.arange(T)[:, None] < [5, 2, 0]) * 1.0


def drawn(layer):
    p, _ = layer.init(np.random.default_rng(1), (None, F))
    return p, RNG.standard_normal((T, N, F))


def test_a_product_of_sources_may_hold_zeros():
    a, b, c = RNG.standard_normal((3, N, F))
    b[0] = 0
    y, cache = Multiply().forward({}, (a, b, c), Context())
    dx, _ = Multiply().backward({}, cache, np.ones_like(y), Context())
    assert np.array_equal(y, a * b * c)
    assert np.allclose(dx, [b * c, a * c, a * b])


def test_a_mean_over_time_reads_the_steps_that_count():
    x = RNG.standard_normal((T, N, F))
    y, cache = MeanOverTime().forward({}, x, Context(batch={"mask": MASK}))
    assert np.allclose(y, [x[:, 0].mean(0), x[:2, 1].mean(0), np.zeros(F)])
    dx, _ = MeanOverTime().backward({}, cache, np.ones_like(y), Context())
    assert np.allclose(dx[..., 0], MASK / [5, 2, 1])


def test_positions_are_sines_and_cosines():
    y, _ = Positions().forward({}, np.zeros((T, N, F)), Context())
    assert np.allclose(y[3, 0], [np.sin(3), np.cos(3), np.sin(3 / 100), np.cos(3 / 100)])


def test_the_last_step_reads_what_it_reads_among_all():
    every, last = SelfAttention(3), SelfAttention(3, output="last")
    p, x = drawn(every)
    for batch, at in (({}, [4, 4, 4]), ({"mask": MASK}, [4, 1, 0])):
        y, _ = every.forward(p, x, Context(batch=batch))
        assert np.allclose(last.forward(p, x, Context(batch=batch))[0], y[at, range(N)])


def test_the_weights_of_a_trace_sum_to_one_or_none():
    layer = SelfAttention(3, causal=True)
    p, x = drawn(layer)
    ctx = Context(batch={"mask": MASK})
    a = layer.trace(layer.forward(p, x, ctx)[1], ctx)["attention"]
    assert a.shape == (T, N, T)
    assert np.allclose(a.sum(-1), MASK)
    assert not np.triu(a[:, 0], 1).any()


def test_each_step_has_its_part_of_the_gradient_by_lag():
    layer = SelfAttention(3, output="last")
    p, x = drawn(layer)
    _, cache = layer.forward(p, x, Context())
    dy = RNG.standard_normal((N, 3))
    terms = layer.terms(p, cache, dy, Context())
    assert not terms["Wq"][:-1].any()
    for t in range(T):  # dWv of a step: x_t' a_t dy
        wanted = sum(np.outer(x[t, n], cache.a[n, 0, t] * dy[n]) for n in range(N))
        assert np.allclose(terms["Wv"][t], wanted)


class Rows(Callback):
    """Keeps the rows that probes measured."""

    def __init__(self):
        self.rows = []

    def on_probe_row(self, member, step, metric, row):
        self.rows.append((step, metric, len(row)))


@pytest.mark.parametrize(("dataset", "output", "steps"), [("adding dataset.length=6", "last", 6), ("weather", "all", 12)])
def test_attention_has_a_gradient_at_every_lag(dataset, output, steps):
    experiment = prepared(f"model=attention model.hidden=4 model.output={output} dataset={dataset} probes=[gradient_by_lag]")
    learner = replace(experiment.learner, options=replace(experiment.learner.options, steps=1))
    rows = Rows()
    train([learner], [experiment.data], [1], callbacks=[rows])
    assert rows.rows == [(1, "gradient_by_lag/attention", steps)]


def test_attention_has_no_gates_to_measure():
    learner = prepared("model=attention dataset=weather probes=[gradient_by_lag,gates]").learner
    assert config_warnings(learner) == ["probes.gates: it measures recurrent layers, but the network has none"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dataset=weather trainer.bptt.lag=2", "the layer 'attention', which reads whole sequences"),
        ("dataset=weather trainer.bptt.chunk=2", "'attention' reads whole sequences, and carries no state"),
    ],
)
def test_attention_reads_no_sequence_in_parts(given, message):
    with pytest.raises(ConfigError, match=message):
        prepared(f"model=attention {given}")
