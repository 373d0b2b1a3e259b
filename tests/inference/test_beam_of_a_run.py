"""Beam search of trained taggers: metrics, predictions, and what the fed-back tag does."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from framework import run, sweep
from framework.core.errors import ConfigError
from framework.experiments.datasets import load_data
from framework.experiments.loading import settings_of_run

QUICK = ("tracking=none", "tier=array", "threads=1", "model.hidden=16")
ENTITIES = ("dataset=entities", "optimizer.lr=0.02", "trainer.batch_size=50", "metrics=[exact_match, entity_f1]")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKPROP_RUNS", str(tmp_path_factory.mktemp("runs")))
        done = run("model=tag_decoder", "model.feedback=tag", *ENTITIES, "dataset.n=300", "trainer.epochs=6", *QUICK)
        return done.model, load_data(settings_of_run(done.folder)).splits["val"]


def test_a_beam_of_one_measures_the_greedy_tags(trained):
    model, fields = trained
    assert model.evaluate(fields, beam=1) == pytest.approx(model.evaluate(fields))


def test_a_beam_measures_its_own_predictions(trained):
    model, fields = trained
    said = model.predict({name: fields[name] for name in ("x", "mask")}, beam=4).argmax(-1)
    right = ((said == fields["y"]) | (fields["mask"] == 0)).all(1)
    found = model.evaluate(fields, beam=4)
    assert found["exact_match"] == pytest.approx(right.mean())
    assert {"entity_f1/PER", "entity_f1/ORG", "entity_f1/LOC"} <= found.keys()


def test_a_beam_of_nothing_is_rejected(trained):
    with pytest.raises(ConfigError, match="beam: 0 is not allowed"):
        trained[0].predict(trained[1]["x"][:1], beam=0)


def test_an_inside_follows_its_beginning(trained):
    path = Path(__file__).resolve().parents[2] / "docs" / "_tools" / "fed_back_tag.py"
    spec = importlib.util.spec_from_file_location("fed_back_tag", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    model, _ = trained
    p = script.probabilities(model, ["<unk>", "<unk>", "<unk>", "works", "for", "Acme"], 2)
    tags = model.about.names_of("y")
    assert p.sum(-1) == pytest.approx(np.ones(len(tags)))
    outside, begun, inside = (tags.index(tag) for tag in ("O", "B-PER", "I-PER"))
    assert p[begun, inside] > 5 * p[outside, inside]


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
def test_L3_a_fed_back_tag_makes_more_sentences_right(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path))
    right = {}
    for feedback in ("tag", "none"):
        words = ("model=tag_decoder", f"model.feedback={feedback}", *ENTITIES, "dataset.noise=0.3", "trainer.epochs=8")
        jobs = sweep(*words, *QUICK, "seed=range(3)")
        right[feedback] = np.mean([job.metrics["val/exact_match"].values[-1] for job in jobs])
    assert right["tag"] > right["none"] + 0.02
