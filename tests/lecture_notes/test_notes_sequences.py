"""Sequences from the data to the answer: rows J5 to J22, K9, K14 and K15 of the notes."""

import itertools

import numpy as np
import pytest
from configs import prepared
from networks import backpropagate, differences
from weather import FIRST, LOSS, TENSORS, WEATHER

from framework import Context, DataError, Field, Head, Network, discover, generator
from framework.core.errors import ConfigError
from framework.data.loader import DataLoader
from framework.data.validation import checked_arrays
from framework.inference.decoding import decoder_of
from framework.nn.heads import total_loss
from framework.training.trainer import train

get = discover().get


def load(name, seed=0, **options):
    return get("dataset", name)(**options).load(generator(seed, "dataset"))


def trained(overrides):
    """An experiment as the shell makes it, and the outcome of its training."""
    experiment = prepared(overrides)
    (outcome,) = train([experiment.learner], [experiment.data], [0])
    return experiment, outcome


def outputs(experiment, outcome, batch):
    """The output of the network for one time-major batch."""
    ctx = Context(train=False, batch=batch)
    return experiment.learner.network.forward(outcome.weights, ctx)[0]["out"]


# ---- J5: the five modes of processing ----

SMALL = "dataset.n=400 dataset.n_val=100 dataset.n_test=0"
MODES = {
    "one to one": "model=mlp dataset=digits model.hidden=32 optimizer.lr=0.01 trainer.epochs=2",
    "one to many": f"model=caption dataset=captions {SMALL} model.hidden=24 optimizer.lr=0.02 trainer.epochs=4",
    "many to one": f"model=gru model.output=last dataset=sentiment {SMALL} model.hidden=12 optimizer.lr=0.03 "
    "trainer.epochs=12",
    "many to many": f"model=seq2seq dataset=reverse dataset.symbols=3 dataset.longest=3 {SMALL} model.hidden=24 "
    "optimizer.lr=0.02 trainer.epochs=8",
    "many to many, step by step": "model=rnn dataset=weather dataset.days=240 dataset.noise=0 model.hidden=8 "
    "optimizer.lr=0.03 trainer.epochs=6",
}


@pytest.mark.parametrize("mode", MODES)
def test_J5_J22_the_five_modes_of_processing_train(mode):
    _, outcome = trained(MODES[mode])
    assert outcome.metrics["val/accuracy"] > (0.85 if mode == "one to one" else 0.95)


def test_J22_a_wave_is_predicted_one_step_ahead():
    _, outcome = trained("model=gru dataset=sine_series model.hidden=16 optimizer.lr=0.01 trainer.epochs=5")
    assert 0.1**2 < outcome.metrics["val/loss"] < 0.03  # between its noise and the 0.05 of "as it was a step before"


def tagged(model):
    """A tagger of a small grammar: right sentences and right words of the validation split, and where it is wrong."""
    made = trained(f"model={model} dataset=tagging {SMALL} model.hidden=16 optimizer.lr=0.03 trainer.epochs=12")
    held = {name: a.swapaxes(0, 1) for name, a in made[0].data.splits["val"].items()}
    wrong = (outputs(*made, {"x": held["x"], "mask": held["mask"]}).argmax(-1) != held["y"]) & (held["mask"] > 0)
    return made[1].metrics["val/accuracy"], set(held["x"][wrong])


def test_J22_a_tagger_reads_in_both_directions():
    from framework_datasets.tagging import HER, WORDS

    accuracy, _ = tagged("birnn")
    assert accuracy > 0.99
    accuracy, wrong = tagged("lstm")
    assert 0.9 < accuracy < 0.99
    assert wrong == {WORDS.index(HER)}  # what comes after it is not known yet


# ---- J7: sequences of several lengths ----


@pytest.mark.parametrize("name", ["sentiment", "reverse"])
def test_J7_a_padded_batch_of_a_data_set_is_the_sum_of_its_sequences_alone(name):
    made = prepared(
        f"dataset={name} dataset.n=6 dataset.n_val=0 dataset.n_test=0 model.hidden=4 "
        + ("model=seq2seq" if name == "reverse" else "model=birnn model.output=last")
    )
    network, fields = made.learner.network, made.data.splits["train"]
    p, _ = network.init(0)
    heads = {
        "loss": Head(get("loss", "softmax_cross_entropy")(reduction="sum"), "out", mask=made.learner.heads["loss"].mask)
    }
    whole = {k: np.swapaxes(a, 0, 1) if a.ndim == 2 else a for k, a in fields.items()}
    loss, _, g, _ = backpropagate(network, heads, p, whole)
    lengths = fields["mask"].sum(1).astype(int)
    assert len(set(lengths)) > 1
    alone = []
    for i, length in enumerate(lengths):
        one = {k: a[i, :length, None] if a.ndim == 2 else a[i : i + 1] for k, a in fields.items() if k != "mask"}
        alone.append(backpropagate(network, heads, p, one))
    assert loss == pytest.approx(sum(run[0] for run in alone), rel=1e-13)
    for node, tensors in g.items():
        for t, grad in tensors.items():
            assert grad == pytest.approx(sum(run[2][node][t] for run in alone), abs=1e-12)


# ---- J16, J17, J18: weather and hello ----


def test_J17_three_years_of_weather_are_mostly_s_c_r_t():
    data = load("weather", noise=0.1, length=1094, stride=1, val=0, test=0)
    days = data.splits["train"]["x"][0]
    moves = np.diff(days) % 4
    assert days[0] == 0
    assert data.names == ("sunny", "cloudy", "rainy", "thundery")
    assert set(moves) == {0, 1}  # the next, or as in S S C R T the same again
    assert (moves == 0).mean() == pytest.approx(0.1, abs=0.03)
    assert (data.splits["train"]["y"][0][:-1] == days[1:]).all()


def test_J16_J17_after_sunny_cloudy_rainy_comes_thunder():
    made = trained("model=rnn dataset=weather dataset.days=400 model.hidden=8 optimizer.lr=0.03 trainer.epochs=8")
    y = outputs(*made, {"x": np.array([[0], [1], [2]])})[-1, 0]
    probabilities = np.exp(y) / np.exp(y).sum()
    assert probabilities.argmax() == 3
    assert probabilities[3] > 0.95


def test_J16_the_network_of_the_notes_learns_s_c_r_t():
    """Three rounds of S, C, R, T, plain gradient descent with lr 0.1: all right from epoch 29 on, and after 2000 S, C, R
    gives T."""
    days = np.arange(13) % 4
    batch = {"x": np.eye(4)[days[:-1], None], "y": days[1:, None]}
    ctx = Context(batch=batch, carry={"rnn": FIRST})
    p = {node: {t: a.copy() for t, a in tensors.items()} for node, tensors in TENSORS.items()}
    first = None
    for epoch in range(2001):
        values, caches = WEATHER.forward(p, ctx)
        if first is None and (values["out"].argmax(-1) == batch["y"]).all():
            first = epoch
        g = {node: {t: np.zeros_like(a) for t, a in tensors.items()} for node, tensors in p.items()}
        WEATHER.backward(p, caches, total_loss(LOSS, values, ctx)[1], g, ctx)
        if epoch < 2000:
            p = {node: {t: a - 0.1 * np.clip(g[node][t], -5, 5) for t, a in p[node].items()} for node in p}
    assert first == 29
    probabilities = LOSS["loss"].prediction(values, ctx)[2, 0]
    assert probabilities == pytest.approx(np.array([0.0005, 0.0000, 0.0001, 0.9994]), abs=5e-5)


def hello(epochs):
    """The 4-3-4 network of the notes, without b: first weights N(0, 0.1), seed 0, lr 0.1. Its summed losses, and the first
    epoch after which every letter is right."""
    small, data = get("initializer", "normal")(0.1), load("hello")
    cell = get("cell", "simple")(3, recurrent=small)
    network = Network(
        {
            "input": get("layer", "one_hot")(4),
            "rnn": get("layer", "recurrent")(cell, initializer=small),
            "out": get("layer", "dense")(4, bias=False, initializer=small),
        },
        data.shapes(),
    )
    p, _ = network.init(0)
    heads = {"loss": Head(get("loss", "softmax_cross_entropy")(reduction="sum"), "out")}
    batch = {name: a.swapaxes(0, 1) for name, a in data.splits["train"].items()}
    losses, first = [], None
    for epoch in range(epochs):
        loss, values, g, _ = backpropagate(network, heads, p, batch)
        losses.append(loss)
        if first is None and (values["out"].argmax(-1) == batch["y"]).all():
            first = epoch
        for node, t in (("rnn", "W"), ("rnn", "U"), ("out", "W")):
            p[node][t] = p[node][t] - 0.1 * g[node][t]
    return losses, first


def test_J18_hello_is_learned_in_some_forty_epochs():
    """The notes have 42 with other draws of N(0, 0.1)."""
    losses, first = hello(60)
    assert losses[0] == pytest.approx(4 * np.log(4), abs=0.05)  # at first all letters are alike
    assert first == 44


def test_J18_hello_costs_0_004_after_3000_epochs():
    assert hello(3000)[0][-1] == pytest.approx(0.0038, abs=5e-4)


def test_J18_without_a_state_the_two_l_cannot_be_told_apart():
    _, outcome = trained(
        "dataset=hello model=rnn ~model.layers.rnn trainer.steps=300 optimizer.lr=0.1 ~model.hidden ~model.output"
    )
    assert outcome.metrics["val/accuracy"] == pytest.approx(0.75)


# ---- J20: from one sequence to another ----


def exact(overrides, split):
    """The share of sequences that a decoder says right when it reads its own words; what exact_match says of it, told the
    right ones."""
    experiment, outcome = trained(overrides)
    fields, net, head = experiment.data.fields, experiment.learner.network, experiment.learner.heads["loss"]
    held = {k: a.swapaxes(0, 1) if fields[k].time_major else a for k, a in experiment.data.splits[split].items()}
    ctx = Context(train=False, batch=held)
    says = decoder_of(net, fields, "y").says(net, outcome.weights, head, ctx)
    y = np.stack([said for said, _ in itertools.islice(says, len(held["y"]))])
    values, _ = net.forward(outcome.weights, ctx)
    match = get("metric", "exact_match")()
    told = match.value(match.count(head.prediction(values, ctx), held["y"], ctx, held["mask"]))
    return float(((y == held["y"]) | (held["mask"] == 0)).all(0).mean()), float(told)


def test_J20_an_encoder_and_a_decoder_say_a_sequence_backwards():
    own, told = exact(MODES["many to many"], "val")
    assert own == pytest.approx(told, abs=1e-7)
    assert own > 0.95


@pytest.mark.parametrize("mode", ["many to many", "one to many"])
def test_J20_up_to_the_first_wrong_word_a_decoder_has_read_what_it_was_told(mode):
    own, told = exact(f"{MODES[mode]} trainer.steps=16", "val")
    assert 0 < own < 0.95
    assert own == pytest.approx(told, abs=1e-7)


@pytest.mark.slow
def test_J20_with_the_data_set_as_it_comes():
    assert exact("model=seq2seq dataset=reverse trainer.epochs=5", "test")[0] > 0.95


# ---- K9, K14, K15: shapes ----


def test_K9_data_are_batch_major_and_batches_time_major():
    data = load("copy", symbols=8, length=5, delay=25, n=20, n_val=0, n_test=0)
    assert data.splits["train"]["x"].shape == (20, 35)
    batch = DataLoader([data], "train", np, np.float32).batch(slice(0, 20))
    assert batch["x"].shape == (1, 35, 20)
    embedding = get("layer", "embedding")(650, 10)
    p, shape = embedding.init(np.random.default_rng(0), data.shapes()["x"])
    y, _ = embedding.forward(p, batch["x"][0], Context())
    assert (y.shape, y.size, shape) == ((35, 20, 650), 455000, (None, 650))
    assert (y.swapaxes(0, 1) == p["W"][data.splits["train"]["x"]]).all()


@pytest.mark.parametrize("data", ["weather", "sine_series"])
@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "indrnn"])
def test_a_preset_reads_symbols_and_numbers(model, data):
    made = prepared(f"model={model} dataset={data}")
    units, features = (4, 4) if data == "weather" else (1, 1)
    _, shapes = made.learner.network.init(0)
    assert shapes["input"] == (None, features)
    assert shapes["out"] == (None, units)


def test_birnn_reads_symbols_and_numbers():
    for data in ("tagging", "lagged_inputs"):
        made = prepared(f"model=birnn dataset={data}")
        _, shapes = made.learner.network.init(0)
        x, y = (made.data.fields[name].size or made.data.splits["train"][name].shape[-1] for name in ("x", "y"))
        assert (shapes["input"], shapes["out"]) == ((None, x), (None, y))


def test_K15_an_embedding_stands_where_one_hot_stood():
    network = prepared(
        "model=lstm dataset=weather model.layers.input.type=embedding model.layers.input.units=3"
    ).learner.network
    assert network.nodes["input"].layer.size == 4
    assert network.init(0)[1]["input"] == (None, 3)


def test_K15_N13_two_lstms_over_an_embedding_learn_sentiment():
    _, outcome = trained(
        f"model=lstm2 model.output=last dataset=sentiment {SMALL} model.hidden=12 optimizer.lr=0.02 trainer.epochs=8"
    )
    assert outcome.metrics["val/accuracy"] > 0.95


# ---- the layers ----


@pytest.mark.parametrize("size", [7, 300])
def test_an_embedding_is_a_dense_layer_on_one_hot_ids(size):
    rng, ctx = np.random.default_rng(0), Context(replicas=(2,), keys=(0, 1))
    ids, W = rng.integers(0, size, (1, 4, 5)), rng.standard_normal((2, size, 3))
    embedding, dense, one_hot = (
        get("layer", "embedding")(3, size),
        get("layer", "dense")(3, bias=False),
        get("layer", "one_hot")(size),
    )
    y, cache = embedding.forward({"W": W}, ids, ctx)
    x, _ = one_hot.forward({}, ids, ctx)
    same, dense_cache = dense.forward({"W": W}, np.broadcast_to(x, (2, *x.shape[1:])).astype(float), ctx)
    assert y == pytest.approx(same, abs=1e-15)
    dy = rng.standard_normal(y.shape)
    g, same = embedding.backward({"W": W}, cache, dy, ctx)[1], dense.backward({"W": W}, dense_cache, dy, ctx)[1]
    assert g["W"] == pytest.approx(same["W"], abs=1e-13)


@pytest.mark.parametrize("size", [5, 300])
def test_the_gradient_of_an_embedding_by_finite_differences(size):
    net = Network({"input": get("layer", "embedding")(2, size), "out": get("layer", "dense")(3)}, {"x": (None,)})
    rng, p = np.random.default_rng(0), net.init(0)[0]
    batch = {"x": np.array([[0, 3], [3, 3], [4, 1]]), "y": rng.standard_normal((3, 2, 3))}
    heads = {"loss": Head(get("loss", "mse")(), "out")}
    g = backpropagate(net, heads, p, batch)[2]["input"]["W"]
    assert not g[5:].any()
    held = p["input"]["W"][:5]  # a view: the other rows are never read
    numeric = differences(lambda: backpropagate(net, heads, p, batch)[0], held)
    assert np.abs(g[:5] - numeric).max() < 1e-8


# ---- metrics over steps ----


def test_accuracy_and_exact_match_count_the_steps_that_a_mask_leaves():
    t = np.array([[0, 1, 2], [1, 1, 0], [2, 0, 0]])  # (T, N): three sequences
    y = np.eye(3)[np.array([[0, 1, 2], [1, 0, 0], [0, 0, 1]])]  # wrong: step 3 of the first and third, step 2 of the second
    mask = np.array([[1.0, 1, 0], [1, 1, 0], [0, 1, 0]])
    accuracy, match = get("metric", "accuracy")(), get("metric", "exact_match")()
    assert accuracy.count(y, t, Context()).tolist() == [6, 9]
    assert accuracy.count(y, t, Context(), mask).tolist() == [4, 5]
    assert match.count(y, t, Context()).tolist() == [0, 3]
    assert match.count(y, t, Context(), mask).tolist() == [1, 2]  # the third has no step at all
    stacked = Context(replicas=(2,), keys=(0, 1))
    both = match.count(np.stack([y, np.eye(3)[t]]), t[None], stacked, mask[None])
    assert match.value(both).tolist() == [0.5, 1]


@pytest.mark.parametrize("name", ["accuracy", "exact_match"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_the_share_of_right_answers_of_nan_is_nan(name, outputs):
    metric, stacked = get("metric", name)(), Context(replicas=(2,), keys=(0, 1))
    t = np.array([[[0, 0], [0, 0]]])  # (1, T, N): both replicas share it
    y = np.zeros((2, 2, 2, outputs))
    y[1, 1, 0] = np.nan
    found = metric.value(metric.count(y, t, stacked))
    assert found[0] == 1
    assert np.isnan(found[1])
    assert metric.value(metric.count(y, t, stacked, np.array([[[1.0, 1], [0, 1]]]))).tolist() == [1, 1]  # it is padding
    y[1, 1, 0] = np.inf  # a number, with an answer
    assert metric.value(metric.count(-y, t, stacked)).tolist() == [1, 1]


# ---- the data sets ----


def test_every_word_is_tagged_and_only_some_need_their_context():
    from framework_datasets.tagging import BOTH, HER, TAGS, WORDS

    x, y, mask = load("tagging").splits["train"].values()
    seen = {}
    for word, tag in zip(x[mask > 0], y[mask > 0], strict=True):
        seen.setdefault(WORDS[word], set()).add(TAGS[tag])
    assert {word for word, tags in seen.items() if len(tags) > 1} == {*BOTH, HER}
    assert all(seen[word] == {"noun", "verb"} for word in BOTH)
    assert seen[HER] == {"determiner", "pronoun"}
    assert len(seen) == len(WORDS) - 1


def test_the_sum_of_two_marked_numbers_leaves_a_constant_answer_a_sixth():
    x, y = load("adding").splits["train"].values()
    assert x.shape == (2000, 100, 2)
    assert (x[..., 1].sum(1) == 2).all()
    assert ((x[..., 0] * x[..., 1]).sum(1) == y[:, 0]).all()
    assert ((y - 1) ** 2).mean() == pytest.approx(0.167, abs=0.01)


def test_a_copy_is_asked_for_after_the_delay():
    x, y = (a[0] for a in load("copy", symbols=4, length=3, delay=5).splits["train"].values())
    assert x[3:].tolist() == [4, 4, 4, 4, 5, 4, 4, 4]
    assert y.tolist() == [4] * 8 + x[:3].tolist()


def test_what_is_reversed_is_padded_and_the_decoder_reads_it_a_step_late():
    for x, d, y, mask in zip(*load("reverse", n=50).splits["train"].values(), strict=True):
        length = int(mask.sum())
        assert mask.tolist() == [1] * length + [0] * (5 - length)
        assert y[:length].tolist() == x[:length][::-1].tolist()
        assert d.tolist() == [6, *y[:-1]]


def test_a_negation_turns_praise_into_blame():
    from framework_datasets.sentiment import BAD, GOOD, NEGATIONS, WORDS

    x, y, mask = load("sentiment").splits["train"].values()
    for ids, label, kept in zip(x[:100], y, mask, strict=False):
        words = [WORDS[i] for i in ids[kept > 0]]
        good, negated = (any(word in words for word in kind) for kind in (GOOD, NEGATIONS))
        assert good != any(word in words for word in BAD)
        assert label == (good != negated)


def test_windows_of_one_split_do_not_reach_into_another():
    data = load("sine_series", steps=100, length=10, sigma=0.0, period=1000.0)
    ends = {split: (a["x"].min(), a["y"].max()) for split, a in data.splits.items()}
    assert ends["train"][1] < ends["val"][0] < ends["val"][1] < ends["test"][0]


# ---- files, and what is told of them ----


def test_a_text_becomes_windows_and_a_new_one_is_read_like_it(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abcab\r\nca" * 20)
    data = load("text", path=str(tmp_path / "a.txt"), length=4)
    assert data.names == ["\n", "a", "b", "c"]
    assert data.splits["train"]["x"][0].tolist() == [1, 2, 3, 1]
    assert data.splits["train"]["y"][0].tolist() == [2, 3, 1, 2]
    again = get("dataset", "text").encoding_from_json(data.encoding.to_json())
    (tmp_path / "new.txt").write_text("bacca\nb")
    assert again.read(tmp_path / "new.txt", with_target=True)["y"].tolist() == [[1, 3, 3, 1]]
    (tmp_path / "short.txt").write_text("ba")
    assert again.read(tmp_path / "short.txt", with_target=False)["x"].tolist() == [[2, 1]]
    (tmp_path / "odd.txt").write_text("bac\nbzc")
    with pytest.raises(DataError, match="line 2: the character 'z' was not in the training text"):
        again.read(tmp_path / "odd.txt", with_target=False)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"ab\n\xff", "line 2: this is not UTF-8 text"),
        (b"aaaa", "only one different character, 'a'"),
        (b"abab", "dataset.length: 40 steps and the next one do not fit into the 4 of the train split"),
    ],
)
def test_what_is_wrong_with_a_text_is_told(tmp_path, content, told):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=told):
        load("text", path=str(tmp_path / "a.txt"))


def test_a_column_becomes_a_series(tmp_path):
    (tmp_path / "a.csv").write_text("day,level\n" + "".join(f"{i},{i / 10}\n" for i in range(50)))
    data = load("series", path=str(tmp_path / "a.csv"), column="level", length=5, val=0.2, test=0)
    x, y = data.splits["train"].values()
    assert (x[0, :, 0] * 10).round().tolist() == [0, 1, 2, 3, 4]
    assert y[:-1] == pytest.approx(x[1:])
    again = get("dataset", "series").encoding_from_json(data.encoding.to_json())
    assert again.read(tmp_path / "a.csv", with_target=True)["x"].shape == (9, 5, 1)
    with pytest.raises(DataError, match="unknown column 'levle' in the header; did you mean 'level'"):
        load("series", path=str(tmp_path / "a.csv"), column="levle")
    (tmp_path / "b.csv").write_text("level\n1\nhigh\n3\n")
    with pytest.raises(DataError, match="line 3, column 'level': 'high'"):
        load("series", path=str(tmp_path / "b.csv"), column="level", length=1)


def test_an_id_outside_its_vocabulary_is_refused():
    for odd in (-1, 4):
        with pytest.raises(DataError, match=f"'x' holds the id {odd} in row 0, step 1 .*; with 4 symbols ids are integers"):
            checked_arrays({"x": Field("NT", "id", 4)}, {"x": np.array([[0, odd]])})


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("model=lstm dataset=sentiment", "an output for every step, but head 'loss' has one target 'y'.*model.output=last"),
        ("model=lstm dataset=weather model.output=last", "for every step; .*model.output=all"),
        ("model=lstm dataset=weather model.layers.input.size=3", "input.size: 'x' has 4 symbols"),
        (
            "model=lstm dataset=sine_series model.layers.input.type=embedding model.layers.input.units=3",
            "needs ids",
        ),
        ("dataset=weather dataset.length=500", "500 steps and the next one do not fit into the 219 of the val split"),
        ("dataset=hello dataset.word=aaa", "'aaa' needs two different letters"),
    ],
)
def test_what_does_not_go_together_is_told(overrides, told):
    with pytest.raises(ConfigError, match=told):
        prepared(overrides)


def test_a_mask_of_steps_is_not_asked_about_a_target_that_a_sequence_has_once():
    assert prepared("model=lstm model.output=last dataset=sentiment").learner.heads["loss"].mask is None
    assert prepared("model=seq2seq dataset=reverse").learner.heads["loss"].mask == "mask"
