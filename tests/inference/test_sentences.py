"""`stackprop predict RUN --text "..."`: the answer of a network for every word of a sentence."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from configs import prepared

from framework import DataError
from framework.cli.commands.predict import sentence_lines
from framework.data.scaling import Scale
from framework.inference.model import Model
from framework.inference.sentences import answers, read_sentence

SENTENCE = ["we", "met", "Ada", "in", "New", "York"]
FAST = ("trainer.steps=2", "tracking=none", "dataset.n=20", "dataset.n_val=5", "dataset.n_test=0")


@functools.cache
def model(overrides):
    """An untrained network of a configuration."""
    experiment = prepared(f"{overrides} dataset.n=20 dataset.n_val=5 dataset.n_test=0")
    weights = {node: p for node, p in experiment.learner.network.init(0)[0].items() if p}
    return Model.of(experiment.learner, weights, experiment.data, Scale("none", {}, {}))


def test_a_tagger_answers_with_the_tag_of_every_word():
    tagger = model("model=birnn dataset=entities")
    fields = read_sentence(tagger, SENTENCE)
    y = tagger.predict(fields)
    assert y.shape == (1, 6, 7)
    names = tagger.about.fields["y"].names
    assert answers(tagger, y, 6) == [names[k] for k in y[0].argmax(-1)]


def test_a_word_without_an_id_is_the_unknown_word():
    tagger = model("model=birnn dataset=entities")
    names = tagger.about.fields["x"].names
    x = read_sentence(tagger, ["we", "met", "Zoe"])["x"]
    assert [names[i] for i in x[0]] == ["we", "met", "<unk>"]


def test_without_an_unknown_word_a_new_word_is_rejected():
    with pytest.raises(DataError, match=r"unknown word 'seee', not in the training data; did you mean 'see'"):
        read_sentence(model("model=birnn dataset=tagging"), ["we", "seee"])


def test_a_window_scorer_answers_with_the_score_of_every_word():
    scorer = model("model=window_scorer dataset=entity_windows")
    fields = read_sentence(scorer, SENTENCE)
    assert fields["x"].shape == (6, 5)
    y = scorer.predict(fields)
    assert answers(scorer, y, 6) == [f"{s:.4g}" for s in y[:, 0]]
    alone = read_sentence(scorer, ["we", "met", "Ada"])  # its last window has other words on the right
    assert np.array_equal(alone["x"][0], fields["x"][0])
    assert not np.array_equal(alone["x"][2], fields["x"][2])


def test_a_sentence_with_one_answer_has_none_for_its_words():
    classifier = model("model=lstm model.output=last dataset=sentiment")
    y = classifier.predict(read_sentence(classifier, ["the", "film", "was", "not", "good"]))
    assert y.shape == (1, 2)
    assert answers(classifier, y, 5) is None


def test_a_network_that_reads_something_else_is_named():
    with pytest.raises(DataError, match="the data set has no words: no field of ids"):
        read_sentence(model("model=mlp dataset=sine"), ["we"])
    classifier = model("model=relations dataset=entities")
    without = replace(classifier, about=replace(classifier.about, encoding=None))
    with pytest.raises(DataError, match="besides 'x' the network reads pair, which a sentence does not give"):
        read_sentence(without, ["we"])


def test_a_sentence_has_a_word():
    with pytest.raises(DataError, match="at least one word is needed"):
        read_sentence(model("model=birnn dataset=entities"), [])


def test_the_command_prints_a_line_per_word():
    lines = [line.split() for line in sentence_lines(model("model=birnn dataset=entities"), "we met Zoe  in New York")]
    assert [word for word, _ in lines] == ["we", "met", "Zoe", "in", "New", "York"]
    assert {tag for _, tag in lines} <= {"O", *(f"{p}-{k}" for p in "BI" for k in ("PER", "ORG", "LOC"))}


def test_a_text_file_is_read_as_windows_and_faults_are_named(ask, tmp_path):
    assert ask("model=window_scorer", "dataset=entity_windows", *FAST)[0] == 0
    (tmp_path / "text.txt").write_text("we met Ada\n\nin New York\n")
    (tmp_path / "empty.txt").write_text("\n")
    status, printed, _ = ask("predict", "last", "--text", "we met Zoe")
    assert status == 0
    assert [line.split()[0] for line in printed.splitlines()] == ["we", "met", "Zoe"]
    status, table, _ = ask("predict", "last", "text.txt")
    assert status == 0
    assert len(table.splitlines()) == 1 + 6
    for words, expected in (
        (["last"], "a file or --text is needed (got neither)"),
        (["last", "text.txt", "--text", "we"], "a file or --text is needed (got both)"),
        (["last", "--text", " "], "--text: at least one word is needed"),
        (["last", "empty.txt"], "empty.txt: no words; one sentence in each line is needed"),
    ):
        status, _, errors = ask("predict", *words)
        assert status in (1, 2)
        assert expected in errors
    status, _, errors = ask("evaluate", "last", "text.txt")
    assert status in (1, 2)
    assert "text.txt: a text has no tags" in errors
