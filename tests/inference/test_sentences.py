"""`stackprop predict RUN --text "..."`: the answer of a network for every word of a sentence."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from configs import prepared

from framework import DataError
from framework.cli.commands.predict import sentence_lines
from framework.core.errors import ConfigError
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


# ---- relations ----


@pytest.fixture
def joint(monkeypatch):
    """A joint model whose tags and relations are given."""

    def made(tags, relation):
        network = model("model=joint dataset=entities")
        names, kinds = (network.about.fields[name].names for name in ("y", "relation"))

        def predict(self, fields, head=None, beam=None):
            if head in (None, "tags"):
                return np.eye(len(names))[[[names.index(tag) for tag in tags]]]
            firsts = [(row == 1).argmax() < (row == 3).argmax() for row in fields["pair"]]
            return np.eye(len(kinds))[[kinds.index(relation if first else "NULL") for first in firsts]]

        monkeypatch.setattr(Model, "predict", predict)
        return network

    return made


FLIGHT = "we flew from New York America"
TAGS = ["O", "O", "O", "B-LOC", "I-LOC", "B-LOC"]


def test_relations_of_the_predicted_entities_follow_the_tags(joint):
    lines = list(sentence_lines(joint(TAGS, "PART_WHOLE"), FLIGHT))
    assert lines[:6] == [f"{word} {tag}" for word, tag in zip(FLIGHT.split(), TAGS, strict=True)]
    assert lines[6:] == ["New York -> America PART_WHOLE"]


def test_without_two_entities_there_is_no_relation(joint):
    assert len(list(sentence_lines(joint(["O", "B-PER", "I-PER"], "WORKS_FOR"), "we met Ada"))) == 3


def test_a_given_pair_is_answered_whatever_its_relation_and_tags(joint):
    network = joint(["O"] * 6, "PART_WHOLE")
    assert list(sentence_lines(network, FLIGHT, ["New York", "America"]))[6:] == ["New York -> America PART_WHOLE"]
    assert list(sentence_lines(network, FLIGHT, ["America", "New York"]))[6:] == ["America -> New York NULL"]


def test_a_marked_pair_is_that_of_the_data():
    encoding = model("model=relations dataset=entities").about.encoding
    fields = encoding.marked(FLIGHT.split(), [((3, 5), (5, 6)), ((0, 1), (5, 6))])
    assert fields["pair"].tolist() == [[0, 0, 0, 1, 1, 3], [1, 2, 2, 2, 2, 3]]
    assert fields["pair_mask"].tolist() == [[0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1]]
    assert encoding.spans(["B-LOC", "I-LOC", "B-LOC", "O", "B-PER"]) == [(0, 2), (2, 3), (4, 5)]


def test_a_classifier_of_relations_needs_a_pair(joint):
    classifier = model("model=relations dataset=entities")
    (line,) = sentence_lines(classifier, FLIGHT, ["New York", "America"])
    assert line.rsplit(" ", 1)[0] == "New York -> America"
    with pytest.raises(ConfigError, match="the run answers for a pair of entities; mark it with --pair FIRST SECOND"):
        list(sentence_lines(classifier, FLIGHT))


@pytest.mark.parametrize(
    ("network", "pair", "expected"),
    [
        (
            "model=relations dataset=entities",
            ["Oslo", "America"],
            "'Oslo' is not in the sentence; its words are needed once",
        ),
        ("model=relations dataset=entities", ["we", "we we"], "'we we' is not in the sentence"),
        ("model=relations dataset=entities", ["", "we"], "'' is not in the sentence"),
        ("model=relations dataset=entities", ["New York", "York America"], "'New York' and 'York America' overlap"),
        ("model=birnn dataset=tagging", ["we", "see"], "the network does not answer for a pair of entities"),
    ],
)
def test_a_pair_that_cannot_be_marked_is_named(network, pair, expected):
    text = "we see" if "tagging" in network else FLIGHT
    with pytest.raises(DataError, match=expected):
        list(sentence_lines(model(network), text, pair))
    with pytest.raises(DataError, match="'we' is twice in the sentence"):
        list(sentence_lines(model("model=relations dataset=entities"), "we met we", ["we", "met"]))


@pytest.mark.slow
def test_a_text_of_several_sentences_has_a_row_for_each_word(ask, tmp_path):
    fast = ("model.embedding=3", "model.hidden=2", "model.filters=2", "tier=array", *FAST)
    (tmp_path / "text.txt").write_text("we met Ada\n\nAda works for Ford Motors\n")
    (tmp_path / "empty.txt").write_text("\n")
    assert ask("model=joint", "dataset=entities", *fast)[0] == 0
    status, table, errors = ask("predict", "last", "text.txt")
    assert status == 0, errors
    assert len(table.splitlines()) == 1 + 3 + 5
    assert "empty.txt: no words" in ask("predict", "last", "empty.txt")[2]
    assert "text.txt: a text has no tags" in ask("evaluate", "last", "text.txt")[2]
    assert (
        "--pair: it marks words of a sentence; give that with --text" in ask("predict", "last", "x", "--pair", "a", "b")[2]
    )
    assert ask("model=relations", "dataset=entities", *fast)[0] == 0
    assert "use --text WORDS --pair FIRST SECOND" in ask("predict", "last", "text.txt")[2]
