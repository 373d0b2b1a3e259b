"""Windows of words and letters: convolution and maximum over time, under masks, against loops."""

import numpy as np
import pytest
from configs import prepared
from networks import assert_gradients

from framework import Context, Head, Network, Node
from framework.core.errors import ConfigError
from framework_cells.lstm import Lstm
from framework_layers.concat import Concat
from framework_layers.conv1d import Conv1d
from framework_layers.dense import Dense
from framework_layers.embedding import Embedding
from framework_layers.flatten import Flatten
from framework_layers.max_over_time import MaxOverTime
from framework_layers.recurrent import Recurrent
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy

RNG = np.random.default_rng(0)
T, N, L, F = 5, 3, 4, 2


def drawn(layer, in_shape):
    p, _ = layer.init(np.random.default_rng(1), in_shape)
    return {name: a + RNG.standard_normal(a.shape) for name, a in p.items()}


@pytest.mark.parametrize(("padding", "size"), [("same", 1), ("same", 3), ("same", 5), ("valid", 2), ("valid", 5)])
def test_a_convolution_is_a_dense_layer_at_every_window(padding, size):
    layer = Conv1d(4, size, padding)
    p, x = drawn(layer, (None, F)), RNG.standard_normal((T, N, F))
    y, _ = layer.forward(p, x, Context())
    frame = size // 2 if padding == "same" else 0
    wide = np.pad(x, ((frame, frame), (0, 0), (0, 0)))
    for t in range(len(y)):
        for n in range(N):
            assert np.allclose(y[t, n], wide[t : t + size, n].ravel() @ p["W"] + p["b"][0])
    assert len(y) == (T if padding == "same" else T - size + 1)


def test_a_masked_step_counts_as_zero():
    layer = Conv1d(4, 3)
    p, x = drawn(layer, (None, F)), RNG.standard_normal((T, N, F))
    mask = (np.arange(T)[:, None] < [5, 3, 1]) * 1.0
    y, _ = layer.forward(p, x, Context(batch={"mask": mask}))
    for n, length in enumerate((5, 3, 1)):
        lone, _ = layer.forward(p, x[:length, n : n + 1], Context())
        assert np.allclose(y[:length, n : n + 1], lone)


def test_letters_are_windows_inside_each_word():
    layer, pool = Conv1d(4, 3, mask="letters"), MaxOverTime("letters")
    p, x = drawn(layer, (None, None, F)), RNG.standard_normal((T, N, L, F))
    lengths = RNG.integers(0, L + 1, (T, N))
    ctx = Context(batch={"letters": (np.arange(L) < lengths[..., None]) * 1.0})
    windows, _ = layer.forward(p, x, ctx)
    y, _ = pool.forward({}, windows, ctx)
    assert (windows.shape, y.shape) == ((T, N, L, 4), (T, N, 4))
    for t in range(T):
        for n in range(N):
            k = lengths[t, n]
            if not k:
                assert (y[t, n] == 0).all()
                continue
            word, _ = layer.forward(p, x[t, n, :k, None], Context())
            assert np.allclose(windows[t, n, :k], word[:, 0])
            assert np.allclose(y[t, n], word[:, 0].max(0))


def test_the_maximum_reads_whole_windows_only():
    layer, pool = Conv1d(4, 3, "valid"), MaxOverTime()
    p, x = drawn(layer, (None, F)), RNG.standard_normal((T, N, F))
    ctx = Context(batch={"mask": (np.arange(T)[:, None] < [5, 3, 2]) * 1.0})
    windows, _ = layer.forward(p, x, ctx)
    y, cache = pool.forward({}, windows, ctx)
    assert np.allclose(y[0], windows[:, 0].max(0))
    assert np.allclose(y[1], windows[0, 1])
    assert (y[2] == 0).all()  # two steps are no window of three
    dx, _ = pool.backward({}, cache, np.ones_like(y), ctx)
    assert dx.sum((0, 2)).tolist() == [4, 4, 0]


def test_the_first_of_equal_values_gets_the_gradient():
    pool, x = MaxOverTime(), np.array([1.0, 3, 3, 2])[:, None, None]
    _, cache = pool.forward({}, x, Context())
    assert pool.backward({}, cache, np.array([[5.0]]), Context())[0].ravel().tolist() == [0, 5, 0, 0]


def network():
    """Words and letters as in model=tagger."""
    nodes = {
        "letters": Node(Embedding(3, 6), "chars"),
        "windows": Conv1d(4, 3, mask="char_mask"),
        "spelling": MaxOverTime("char_mask"),
        "words": Node(Embedding(2, 5), "x"),
        "input": Node(Concat(), ("words", "spelling")),
        "back": Node(Recurrent(Lstm(2), reverse=True), "input"),
        "ahead": Node(Recurrent(Lstm(2)), "input"),
        "both": Node(Concat(), ("back", "ahead")),
        "out": Dense(3),
    }
    return Network(nodes, {"x": (None,), "chars": (None, None), "mask": (None,), "char_mask": (None, None)})


def batch():
    lengths, mask = RNG.integers(1, L + 1, (T, N)), (np.arange(T)[:, None] < [5, 4, 2]) * 1.0
    char_mask = (np.arange(L) < lengths[..., None]) * mask[..., None]
    chars, x = RNG.integers(0, 6, (T, N, L)), RNG.integers(0, 5, (T, N))
    return {"x": x, "chars": chars, "mask": mask, "char_mask": char_mask, "y": RNG.integers(0, 3, (T, N))}


def test_gradients_reach_words_and_letters():
    net = network()
    p, _ = net.init(0)
    assert_gradients(net, {"loss": Head(SoftmaxCrossEntropy(), "out")}, p, batch())


@pytest.mark.parametrize(
    ("layer", "in_shape", "message"),
    [
        (Conv1d(3), (4,), "conv1d needs sequences"),
        (Conv1d(3), (None,), "put an embedding or one_hot layer before it"),
        (Conv1d(3), (2, 3, 3), "conv1d needs sequences"),
        (Conv1d(3, 2), (None, 4), "same needs a window of odd size"),
        (Conv1d(3, 9, "valid"), (8, 4), "a window of 9 does not fit into 8 steps"),
        (MaxOverTime(), (4,), "max_over_time needs sequences"),
        (Flatten(4), (None, None, 3), "flatten cannot read the letters of words"),
    ],
)
def test_other_inputs_are_refused(layer, in_shape, message):
    with pytest.raises(ValueError, match=message):
        layer.init(np.random.default_rng(0), in_shape)


def test_a_fixed_length_is_known():
    assert Conv1d(3, 3, "valid").init(np.random.default_rng(0), (8, 4))[1] == (6, 3)


def test_wrong_lengths_are_named():
    p, x = drawn(Conv1d(3, 4, "valid"), (None, F)), RNG.standard_normal((3, N, F))
    with pytest.raises(ValueError, match="layer 'c': sequences of 3 steps are shorter than a window of 4"):
        Conv1d(3, 4, "valid").forward(p, x, Context(name="c"))
    with pytest.raises(ValueError, match=r"layer 'm': the mask 'mask' has \(2, 3\), but x has \(3, 3, 2\)"):
        MaxOverTime().forward({}, x, Context(name="m", batch={"mask": np.ones((2, N))}))


def test_windows_that_shorten_a_sequence_have_no_target_at_every_step():
    layer = "model.layers.input={type:embedding,units:3} +model.layers.c={type:conv1d,filters:3,padding:valid,after:input}"
    with pytest.raises(ConfigError, match=r"model.layers.c: its output has fewer steps .* a target 'y' for every step"):
        prepared(f"model=lstm dataset=hello {layer}")
    prepared(f"model=lstm dataset=sentiment model.output=last {layer.replace('padding:valid', 'padding:valid,mask:null')}")
