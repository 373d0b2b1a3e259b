"""A text as words, each predicted from the previous ones, measured in perplexity."""

import numpy as np
import pytest
from configs import prepared

from framework import Context, DataError, generator, run
from framework.cli.commands import generate, predict
from framework_datasets.text import Text, TextEncoding
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.perplexity import Perplexity

LINES = "the cat sat\nthe dog sat\n\nthe cat ran\na dog ran\n"


def read(tmp_path, text=LINES, **options):
    (tmp_path / "book.txt").write_text(text)
    given = {"length": 4, "val": 0, "test": 0, "unit": "word", **options}
    return Text(str(tmp_path / "book.txt"), **given).load(generator(0, "dataset"))


def test_words_and_line_ends_have_ids(tmp_path):
    data = read(tmp_path)
    assert data.names == ["<unk>", "<eos>", "cat", "dog", "ran", "sat", "the"]
    words = [[data.names[i] for i in row] for row in data.splits["train"]["x"]]
    assert words[:2] == [["the", "cat", "sat", "<eos>"], ["the", "dog", "sat", "<eos>"]]
    assert [data.names[i] for i in data.splits["train"]["y"][0]] == ["cat", "sat", "<eos>", "the"]
    assert data.notes == (
        f"{tmp_path}/book.txt: 16 words with the line ends, 7 different; 6.2% are <unk> (dataset.min_count=2)",
    )


def test_words_of_the_training_part_only_are_known(tmp_path):
    data = read(tmp_path, "a b c\n" * 20 + "new b c\n" * 5, val=0.2)
    assert data.names == ["<unk>", "<eos>", "a", "b", "c"]
    assert 0 in data.splits["val"]["x"]
    assert 0 not in data.splits["train"]["x"]


def test_a_new_file_of_words_is_read_as_the_training_text(tmp_path):
    data = read(tmp_path)
    (tmp_path / "new.txt").write_text("the bird sat\n")
    saved = Text.encoding_from_json(data.encoding.to_json())
    assert saved == data.encoding
    assert saved.read(tmp_path / "new.txt", with_target=False)["x"].tolist() == [[6, 0, 5, 1]]


def test_an_older_encoding_of_characters_reads_as_before():
    assert Text.encoding_from_json({"type": "text", "vocabulary": "ab", "length": 3}) == TextEncoding(("a", "b"), 3)


def test_a_text_without_repeated_words_is_refused(tmp_path):
    with pytest.raises(DataError, match="too few words occur 2 times in the training part"):
        read(tmp_path, "one two\nthree four\n")


def test_N12_perplexity_is_the_exponential_of_the_cross_entropy():
    rng, ctx = np.random.default_rng(0), Context()
    y, t, mask = rng.standard_normal((7, 5, 9)), rng.integers(0, 9, (7, 5)), rng.integers(0, 2, (7, 5)).astype(float)
    loss = SoftmaxCrossEntropy()
    for given in (None, mask):
        counts = Perplexity().count(loss.predict(y, ctx), t, ctx, given)
        assert Perplexity().value(counts, ctx) == pytest.approx(np.exp(loss(y, t, ctx, given)[0]), rel=1e-12)
    uniform = Perplexity().count(np.full((5, 9), 1 / 9), t[0], ctx)
    assert Perplexity().value(uniform, ctx) == pytest.approx(9)
    binary = Perplexity().count(np.array([[0.8], [0.8]]), np.array([1, 0]), ctx)
    assert Perplexity().value(binary, ctx) == pytest.approx(2.5)


def test_N12_the_language_model_of_the_tutorial_has_its_shapes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text(LINES * 300)
    words = "dataset=text dataset.path=book.txt dataset.unit=word dataset.length=35 dataset.stateful=true model=lstm2"
    experiment = prepared(f"{words} model.embedding=650 model.hidden=650 trainer.batch_size=20 metrics=[perplexity]")
    network = experiment.learner.network
    sizes = {name: sum(a.size for a in p.values()) for name, p in network.init(0)[0].items()}
    assert (sizes["rnn1"], sizes["rnn2"], sizes["input"]) == (3382600, 3382600, 8 * 650)
    assert network.shapes["out"] == (None, 8)
    assert experiment.data.splits["train"]["x"].shape[1] == 35


def test_N12_a_small_language_model_learns_and_writes_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text(LINES * 60)
    found = run(
        *("dataset=text", "dataset.path=book.txt", "dataset.unit=word", "dataset.length=8", "dataset.min_count=1"),
        *("model=lstm2", "metrics=[perplexity]", "optimizer.lr=0.02", "trainer.epochs=12", "tracking=none", "tier=array"),
    )
    measured = found.metrics["val/perplexity"][1]
    assert measured[-1] < 1.5 < 2 < measured[0]
    assert measured[-1] == pytest.approx(np.exp(found.metrics["val/loss"][1][-1]), rel=1e-4)
    assert generate.main([str(found.folder), "--prompt", "the wolf", "--length", "6", "--greedy"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["the", "<unk>"]
    (tmp_path / "new.txt").write_text("the cat\n")
    assert predict.main([str(found.folder), "new.txt"]) == 0
    assert "p(cat)" in capsys.readouterr().out
