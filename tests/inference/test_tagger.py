"""Tagging from a file, from the first command to the tags of new words."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from networks import distance
from shell import newest, stackprop
from tagged_files import office

import framework
from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.training.trainer import train

SMALL = ["model.units=8", "model.hidden=8", "model.filters=6", "model.letter_units=4"]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "office.txt").write_text(office(120, np.random.default_rng(0)))
    return tmp_path / "office.txt"


def tagger(file, *words):
    words = ["model=tagger", "dataset=conll", f"dataset.path={file}", *SMALL, "metrics=[entity_f1]", "tracking=none", *words]
    return prepare(compose(words))


def trained(made, keys, tier="array", **how):
    return train([made.learner] * len(keys), [made.data], keys, dtype=np.float64, tier=tier, **how)


PAGE = (
    (Path(__file__).resolve().parents[2] / "docs" / "guides" / "sequences.md").read_text().split("### Tags from a file")[1]
)
COMMANDS = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^\$ (stackprop .*)$", PAGE.split("###")[0], re.M)]


@pytest.mark.slow
def test_the_commands_of_the_guide_tag_a_file(tmp_path):
    for name, n in (("tags.txt", 120), ("more.txt", 30)):
        (tmp_path / name).write_text(office(n, np.random.default_rng(n)))
    (tmp_path / "new.txt").write_text("the\noffice\nof\nBell\nLabs\nin\nNew\nYork\n.\n\nEmmy\nworks\n")
    (tmp_path / "glove.txt").write_text("works 1 2 3 4 5 6 7 8\nrome 1 1 1 1 1 1 1 1\n")
    more = [*SMALL, "model.vectors=glove.txt", "optimizer.lr=0.02", "trainer.epochs=15", "trainer.batch_size=16"]
    first, *others = COMMANDS
    done = stackprop(tmp_path, *first, *more, "tier=array", "model.keep=0.9", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert "stackprop: dataset: train: 96 sentences of tags.txt" in done.stderr
    assert "model.layers.words: glove.txt: vectors of 2 of" in done.stderr
    (tmp_path / "glove.txt").unlink()  # the model has them
    shown, rows, tags = (stackprop(tmp_path, *words).stdout.splitlines() for words in others)
    values = dict(line.removeprefix("more.txt/").split() for line in shown)
    assert {"entity_f1", "entity_f1/LOC", "entity_f1/ORG", "entity_f1/PER", "entity_recall/PER"} < values.keys()
    assert float(values["entity_f1"]) > 0.9
    assert [line.split(" ")[-1] for line in tags[3:8]] == ["B-ORG", "I-ORG", "O", "B-LOC", "I-LOC"]
    assert len(rows) == 1 + 11  # no rows for padding
    assert rows[0] == "class,p(O),p(B-LOC),p(I-LOC),p(B-ORG),p(I-ORG),p(B-PER),p(I-PER)"
    model = framework.load(str(newest(tmp_path)))
    assert model.about.fields["x"].names[:2] == ("<pad>", "<unk>")


@pytest.mark.slow
def test_a_run_without_words_in_a_file_has_no_labels_to_print(tmp_path):
    done = stackprop(tmp_path, "dataset=spirals", "dataset.n=20", "trainer.steps=1", "tier=array", "tracking=none")
    assert done.returncode == 0, done.stderr
    done = stackprop(tmp_path, "predict", "last", "x.npz", "--labels")
    assert done.returncode == 2
    assert "--labels: the run was not trained on a file of tagged words" in done.stderr


def test_a_stack_of_taggers_equals_each_alone(file):
    made = tagger(file, "trainer.steps=12")
    together = trained(made, [0, 1, 2])
    for key, outcome in enumerate(together):
        (lone,) = trained(made, [key])
        assert distance(outcome, lone) < 1e-9
        assert outcome.metrics == pytest.approx(lone.metrics)


def test_letters_know_names_that_words_do_not(tmp_path):
    rng = np.random.default_rng(0)
    text = []
    for _ in range(150):  # names end in -ov, other words do not; no name occurs twice
        stems = ["".join(rng.choice(list("abdeiklmnoprstu"), 5)) for _ in range(4)]
        text.append(
            "".join(f"{s}{end} {tag}\n" for s, (end, tag) in zip(stems, [("ov", "B-PER"), ("er", "O")] * 2, strict=True))
        )
        if rng.integers(2):
            text[-1] = "".join(text[-1].splitlines(keepends=True)[::-1])
    (tmp_path / "names.txt").write_text("\n".join(text))
    words = ["trainer.epochs=8", "optimizer.lr=0.02", "dataset.digits=true"]
    (outcome,) = trained(tagger(tmp_path / "names.txt", *words), [0])
    assert outcome.metrics["val/entity_f1"] > 0.9
    (blind,) = trained(tagger(tmp_path / "names.txt", *words, "dataset.letters=1"), [0])
    assert blind.metrics["val/entity_f1"] < 0.8
