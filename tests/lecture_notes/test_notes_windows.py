"""Scoring windows of words with a margin, from the data to the answer: rows A7, A8 and B7 of the notes, as configured."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from configs import prepared as configured
from networks import assert_gradients, backpropagate
from stack_law import assert_law

from framework import Context, DataError, discover
from framework.core.errors import ConfigError
from framework.training.trainer import train
from framework_layers.corrupt import Corrupt
from framework_layers.flatten import Flatten
from framework_metrics.pairwise_accuracy import PairwiseAccuracy

SCORER = "model=window_scorer dataset=entity_windows dtype=float64"
SMALL = f"{SCORER} dataset.n=30 dataset.n_val=10 dataset.n_test=0"


@functools.cache
def prepared(overrides):
    """An experiment, composed once for all tests that ask for it."""
    return configured(overrides)


def pairs(experiment, rows=slice(None), split="train"):
    """A time-major batch of pairs."""
    return {name: a[rows].T for name, a in experiment.data.splits[split].items()}


# ---- A7: the network ----


def test_A7_the_scorer_has_176_parameters_above_word_vectors():
    experiment = prepared(f"{SMALL} model.layers.words.frozen=true")
    network = experiment.learner.network
    tensors, shapes = network.init(0)
    assert {t: a.shape for t, a in tensors["hidden"].items()} == {"W": (20, 8), "b": (1, 8)}
    assert tensors["score"]["W"].shape == (8, 1)
    assert network.arena(tensors).P == 176
    assert (shapes["flat"], shapes["score"], shapes["score_c"]) == ((20,), (1,), (1,))
    learnt = prepared(SMALL).learner.network
    assert learnt.arena(learnt.init(0)[0]).P == 176 + 57 * 4


def test_A7_a_score_is_U_f_of_the_vectors_of_a_window():
    experiment = prepared(SMALL)
    network = experiment.learner.network
    p, _ = network.init(0)
    batch = pairs(experiment, slice(3))
    values, _ = network.forward(p, Context(train=False, batch=batch))
    for n in range(3):
        x = np.concatenate([p["words"]["W"][i] for i in batch["x"][:, n]])
        assert x.shape == (20,)
        s = 1 / (1 + np.exp(-(x @ p["hidden"]["W"] + p["hidden"]["b"]))) @ p["score"]["W"]
        assert values["score"][n] == pytest.approx(s.ravel(), abs=1e-12)


@pytest.mark.parametrize("kind", ["window", "word"])
def test_A7_gradients_through_both_towers_equal_differences(kind):
    experiment = prepared(f"{SMALL} model.kind={kind}")
    learner = experiment.learner
    p, _ = learner.network.init(0)
    batch = pairs(experiment, slice(6))
    loss, *_ = backpropagate(learner.network, learner.heads, p, batch)
    assert loss > 0
    assert_gradients(learner.network, learner.heads, p, batch)


def test_A7_a_stack_of_margins_trains_as_each_alone():
    base = prepared(f"{SMALL} trainer.epochs=3 trainer.batch_size=16")
    margins = (0.0, 1.0, 5.0)

    def member(margin):
        loss = replace(base.learner.heads["loss"].loss, margin=margin)
        heads = {"loss": replace(base.learner.heads["loss"], loss=loss)}
        kept = replace(base.learner.measures["margin_kept"], metric=PairwiseAccuracy(margin))
        return replace(base.learner, heads=heads, measures={**base.learner.measures, "margin_kept": kept})

    outcomes = assert_law([member(m) for m in margins], data=base.data, keys=[0, 7, 7])
    assert outcomes[0].metrics["val/pairwise_accuracy"] == outcomes[0].metrics["val/margin_kept"]
    assert outcomes[2].metrics["val/margin_kept"] < outcomes[2].metrics["val/pairwise_accuracy"]


# ---- A8: fixture 3.2 ----


def test_A8_the_gradient_of_a_pair_is_minus_that_of_s():
    layers = (
        "~model.layers.out +model.layers.s={type:dense,units:1} "
        "+model.layers.hidden_c={type:dense,units:2,from:corrupt,share:hidden} "
        "+model.layers.act_c={type:activation,function:sigmoid} +model.layers.s_c={type:dense,units:1,share:s} "
        "~model.layers.flat model.hidden=2 activation=sigmoid "
    )
    data = "dataset=given +dataset.fields.x.values=[[1,0.5,-1,2]] +dataset.fields.corrupt.values=[[0,0,0,0]] "
    head = "+heads.pair={type:max_margin,from:[s,s_c],target:null,margin:1} dtype=float64"
    learner = prepared(layers + data + head).learner
    p = {
        "hidden": {"W": np.array([[0.1, 0.5], [0.2, 0.6], [0.3, 0.7], [0.4, 0.8]]), "b": np.array([[0.1, -0.1]])},
        "s": {"W": np.array([[0.9], [-0.5]]), "b": np.array([[0.2]])},
    }
    batch = {"x": np.array([[1, 0.5, -1, 2]]), "corrupt": np.zeros((1, 4))}  # x_c = 0: its tower adds nothing to dW
    _, values, g, _ = backpropagate(learner.network, learner.heads, p, batch)
    assert values["s"].item() == pytest.approx(0.404968, abs=1e-6)
    ds = np.array([[0.192519, 0.096259, -0.192519, 0.385037], [-0.069882, -0.034941, 0.069882, -0.139764]])
    assert pytest.approx(-ds, abs=1e-6) == g["hidden"]["W"].T


# ---- B7: the margin ----


def test_L1_B7_over_95_percent_of_new_pairs_keep_the_margin():
    experiment = prepared(f"{SCORER} dataset.n=300 trainer.steps=800 trainer.batch_size=32 optimizer.lr=0.02 dtype=float32")
    (outcome,) = train([experiment.learner], [experiment.data], [0], tier="array")
    assert outcome.metrics["val/margin_kept"] > 0.95
    assert outcome.metrics["val/pairwise_accuracy"] > 0.99


def test_B7_pairs_are_right_by_a_margin():
    s, s_c = np.array([[2.0], [1.0], [0.5], [0.0]]), np.array([[0.5], [0.0], [0.0], [0.0]])
    for margin, right in ((0, 3), (0.5, 3), (1, 2), (1.5, 1), (2, 0)):
        metric = PairwiseAccuracy(margin)
        assert metric.count((s, s_c), None, Context()).tolist() == [right, 4]
    flat = PairwiseAccuracy().count((s[:, 0], s_c[:, 0]), None, Context(), np.array([1.0, 1, 0, 2]))
    assert flat.tolist() == [2, 4]  # the pair with the weight 2 is equal, and not right
    s[0] = np.nan
    assert np.isnan(PairwiseAccuracy().value(PairwiseAccuracy().count((s, s_c), None, Context())))


def test_B7_a_pair_has_its_metrics_without_a_word():
    measures = prepared(f"{SMALL} heads.loss.margin=2").learner.measures
    assert {name: measure.metric.margin for name, measure in measures.items()} == {
        "pairwise_accuracy": 0.0,
        "margin_kept": 2.0,
    }


# ---- corrupt windows ----


def drawn(kind="window", replicas=3, **context):
    """x, the corrupt windows of the data, and what the layer makes of them: (T, N), (T, N), (R, T, N)."""
    rng = np.random.default_rng(0)
    x, corrupt = rng.integers(0, 9, (1, 5, 40)), rng.integers(0, 9, (1, 5, 40))
    ctx = Context(replicas=(replicas,), keys=tuple(range(replicas)), name="window_c", **context)
    y, _ = Corrupt(kind, 9).forward({}, (x, corrupt), ctx)
    return x[0], corrupt[0], y


@pytest.mark.parametrize("kind", ["window", "word"])
def test_A7_corrupt_windows_differ_by_replica_and_step(kind):
    _, _, y = drawn(kind)
    again, later = drawn(kind)[2], drawn(kind, step=1)[2]
    assert y.shape == (3, 5, 40)
    assert (y == again).all()
    for a, b in ((y[0], y[1]), (y[0], y[2]), (y, later)):
        assert (a != b).any(-2).mean() > 0.5


def test_A7_a_corrupt_window_is_one_of_the_batch():
    _, corrupt, y = drawn()
    known = {tuple(window) for window in corrupt.T}
    assert all(tuple(window) in known for replica in y for window in replica.T)
    assert len({tuple(window) for window in y[0].T}) > 15


def test_A7_a_corrupt_word_is_another_one_in_the_centre():
    x, _, y = drawn("word", replicas=300)
    assert (np.delete(y, 2, -2) == np.delete(x, 2, -2)).all()
    assert (y[:, 2] != x[2]).all()
    for word in range(9):  # each other word is as likely
        counts = np.bincount(y[:, 2][:, x[2] == word].ravel(), minlength=9)
        assert counts[word] == 0
        assert np.delete(counts, word) == pytest.approx(counts.sum() / 8, rel=0.5)


@pytest.mark.parametrize("kind", ["window", "word"])
def test_A7_evaluation_reads_the_corrupt_windows_of_the_data(kind):
    _, corrupt, y = drawn(kind, train=False)
    assert (y == corrupt).all()


@pytest.mark.parametrize("kind", ["window", "word"])
def test_A7_only_true_windows_have_an_entity_in_the_centre(kind):
    data = discover().get("dataset", "entity_windows")(kind=kind, noise=0, n=200).load(np.random.default_rng(0))
    words, arrays = data.fields["x"].names, data.splits["train"]
    centres = {words[i] for i in arrays["x"][:, 2]}
    assert centres >= {"Ada", "Paris", "York", "Bank"}
    assert not centres & {"we", "in", "met", "<pad>"}
    assert (arrays["x"] != arrays["corrupt"]).any(1).all()
    if kind == "window":
        assert not {words[i] for i in arrays["corrupt"][:, 2]} & centres
    else:
        assert (arrays["x"] != arrays["corrupt"]).sum(1).tolist() == [1] * len(arrays["x"])


def test_A7_windows_are_padded_beyond_the_ends_of_a_sentence():
    data = discover().get("dataset", "entity_windows")(width=7)
    encoding = data.load(np.random.default_rng(0)).encoding
    names = np.array(encoding.words)
    x = names[encoding.sentence(["museums", "in", "Paris", "are", "amazing"])["x"]]
    assert x.shape == (5, 7)
    assert " ".join(x[0]) == "<pad> <pad> <pad> museums in Paris are"
    assert " ".join(x[2]) == "<pad> museums in Paris are <unk> <pad>"


def test_A7_pairs_are_made_of_any_tagged_sentences():
    from framework_datasets._word_windows import pairs_of

    words = ["<pad>", "from", "New", "York", "America"]
    vocabulary = {word: i for i, word in enumerate(words)}
    sentences = [(words[1:], ["O", "B-LOC", "I-LOC", "B-LOC"])]
    found = pairs_of(sentences, vocabulary, 3, "window", np.random.default_rng(0))
    assert found["x"].tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 0]]
    assert found["corrupt"].tolist() == [[0, 1, 2]] * 3
    with pytest.raises(DataError, match=r"unknown word 'Yrok'.*did you mean 'York'"):
        pairs_of([(["Yrok"], ["O"])], vocabulary, 3, "window", np.random.default_rng(0))
    with pytest.raises(DataError, match="0 of 1 words are part of one"):
        pairs_of([(["from"], ["O"])], vocabulary, 3, "window", np.random.default_rng(0))


# ---- a sequence in one row ----


def test_A7_windows_of_a_file_of_tagged_words(tmp_path):
    file = tmp_path / "tags.txt"
    file.write_text("We PRP O\nmet VBD O\nAda NNP B-PER\nLow NNP I-PER\n\nRome NNP B-LOC\nnow RB O\n\n" * 10)
    words = ["dataset=entity_windows", f"dataset.path={file}", "dataset.width=3", "dataset.min_count=1"]
    experiment = configured(" ".join(["model=window_scorer", *words]))
    x, names = experiment.data.splits["train"]["x"], experiment.data.fields["x"].names
    windows = {" ".join(names[i] for i in window) for window in x}
    assert windows == {"met Ada Low", "Ada Low <pad>", "<pad> Rome now"}
    assert "train 16 sentences, " in experiment.data.notes[0]


def test_A7_a_file_without_entities_has_no_windows(tmp_path):
    file = tmp_path / "tags.txt"
    file.write_text("We O\nwalk O\n\n" * 20)
    with pytest.raises(DataError, match=r"tags.txt: train: entities: 0 of 32 words are part of one"):
        configured(f"model=window_scorer dataset=entity_windows dataset.path={file}")


def test_flatten_puts_the_first_step_first():
    x = np.arange(24.0).reshape(1, 3, 4, 2)  # (R, T, N, F)
    ctx = Context(replicas=(1,))
    y, cache = Flatten(3).forward({}, x, ctx)
    assert y.shape == (1, 4, 6)
    assert y[0, 1].tolist() == [2, 3, 10, 11, 18, 19]
    dx, _ = Flatten(3).backward({}, cache, y, ctx)
    assert (dx == x).all()


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (Flatten(), (None, 3), "steps: auto needs a layer whose sequences have one length"),
        (Flatten(), (None,), "cannot read the ids of a sequence; an embedding or one_hot before it"),
        (Corrupt(), ((None,), (None,)), "size: auto needs a layer that reads a field of ids"),
        (Corrupt(), (None,), "corrupt needs two sequences of ids, the true and the corrupt windows"),
    ],
)
def test_a_layer_of_windows_rejects_other_shapes_in_words(layer, shape, expected):
    with pytest.raises(ValueError, match=expected):
        layer.init(np.random.default_rng(0), shape)


def test_a_sequence_of_another_length_is_rejected_in_words():
    with pytest.raises(DataError, match="flatten: the sequences have 4 steps, but the network was made for 5"):
        Flatten(5).forward({}, np.zeros((4, 2, 3)), Context())


def test_steps_are_those_of_the_data():
    series = prepared("model=mlp dataset=adding dataset.length=6 dataset.n=20 model.hidden=2")
    assert series.learner.network.nodes["flat"].layer.steps == 6
    with pytest.raises(ConfigError, match=r"model\.layers\.flat: flatten cannot read the ids of a sequence"):
        prepared("model=mlp dataset=tagging")


def test_the_width_of_a_window_is_odd():
    with pytest.raises(ConfigError, match=r"width: a window has a word in its centre \(got 4\); use an odd number"):
        prepared(f"{SMALL} dataset.width=4")


def test_a_head_of_one_score_has_no_pairs():
    with pytest.raises(ConfigError, match="PairwiseAccuracy reads 2 layers"):
        prepared("model=mlp dataset=sine metrics=[pairwise_accuracy]")
