"""Loss against learning rate, every rate a replica."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import distance

from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.tracking.run_dir import RunLocation
from framework.training.trainer import train
from framework_studies.lr_range import LrRange, Range

XOR = "dataset=xor model.hidden=4 study.rates=7 study.steps=30 "


def prepared(words):
    return prepare(compose(["study=lr_range", "tracking=none", "device=cpu", *words.split()]))


def studied(words):
    experiment = prepared(words)
    return experiment, experiment.settings.study(experiment)


def test_rates_are_spaced_evenly_in_their_logarithm():
    _, found = studied(XOR + "study.low=0.001 study.high=1")
    assert found.arrays["rate"].tolist() == [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0]
    assert found.series["lr_range/rate"].tolist() == [[i, rate] for i, rate in enumerate(found.arrays["rate"])]


def test_a_rate_is_the_training_with_that_rate_and_the_configured_batches():
    experiment, found = studied(XOR + "optimizer=sgd dtype=float64 schedule=cosine trainer.batch_size=3")
    words = f"dataset=xor model.hidden=4 optimizer=sgd optimizer.lr={found.arrays['rate'][4]} dtype=float64"
    alone = prepare(compose([*words.split(), "trainer.batch_size=3", "trainer.steps=30", "device=cpu"])).learner
    (outcome,) = train([alone], [experiment.data], [0], dtype=np.float64)
    assert distance(outcome, found.outcomes[4]) < 1e-9


def test_rates_that_diverge_are_a_result():
    _, found = studied("dataset=sine optimizer=sgd activation=linear model.hidden=20 study.rates=9 study.steps=400")
    assert found.failure == ""
    loss = found.arrays["loss"]
    assert np.isfinite(loss[0])
    assert np.isinf(loss[-1])
    assert np.isfinite(found.series["lr_range/loss"]).all()
    assert len(found.series["lr_range/loss"]) == np.isfinite(loss).sum()
    assert "- diverged: " in found.summary
    rows = [line.split(",") for line in found.files["lr_range.csv"].splitlines()]
    assert rows[0] == ["rate", "loss", "status", "steps"]
    assert rows[-1][:3] == ["10", "", "diverged"]


def curve(*loss, without=1.0):
    return Range(10.0 ** np.arange(-len(loss), 0), np.array(loss), without)


def test_best_steepest_and_largest_stable_rate():
    found = curve(1.0, 0.95, 0.5, 0.1, 0.3, 1.2, np.inf)
    assert (found.best, found.steepest, found.stable) == (3, 2, 5)
    told = found.summary(100)
    assert "- lowest loss: 0.1 at optimizer.lr=0.0001\n" in told
    assert "- steepest decrease: at optimizer.lr=1e-05; begin between these two\n" in told
    assert "- stable up to 0.001" in told
    assert "- diverged: 1 of 7, the smallest of them 0.1" in told


def test_a_rate_above_one_that_diverged_is_not_stable():
    found = curve(0.9, 0.8, np.inf, 0.2)
    assert found.stable == 2
    assert "- smaller rates than that were unstable, so it is a matter of chance" in found.summary(100)


def test_the_steepest_rate_is_below_the_best_one():
    assert curve(1.0, 0.9, 0.2, 0.95, 0.3).steepest == 1


def test_a_rate_that_changes_nothing_is_stable():
    assert curve(1.0001, 0.5, 0.2).stable == 3


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ((1.0, 0.9, 0.8), "the largest tried: raise study.high"),
        ((0.2, 0.9, 0.8), "the smallest tried: lower study.low"),
        ((1.0, 1.1, 1.2), "No rate from 0.001 to 0.1 ends below the loss without learning, 1, after 100 steps"),
        ((np.inf, np.inf, np.inf), "No rate from 0.001 to 0.1"),
        ((1.5, 0.5, 2.0), "not even the smallest rate is stable"),
    ],
)
def test_what_a_range_does_not_show_is_told(loss, expected):
    assert expected in curve(*loss).summary(100)


@pytest.mark.parametrize(
    "words",
    [
        "model=cnn model.filters=2 model.filters2=2 dataset=digits",
        "dataset=weather dataset.days=100 model=rnn model.hidden=3 trainer.bptt.chunk=4",
        "dataset=reverse dataset.n=40 model=seq2seq model.hidden=3",
        "dataset=xor optimizer=nag model.layers.drop={type:dropout,after:act}",
    ],
)
def test_every_model_has_a_range(words):
    _, found = studied(words + " study.rates=3 study.steps=4 study.low=0.01 study.high=0.1")
    assert len(found.series["lr_range/loss"]) == 3


@dataclass(frozen=True)
class Rateless:
    """An optimizer whose rate replicas share."""

    lr: float = 0.1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("study.low=1 study.high=0.1", "study.low: not below study.high (got 1 and 0.1)"),
        ("study.rates=2", "study.rates: 2 must be at least 3"),
        ("study.steps=1", "study.steps: 1 must be at least 2"),
        ("probes=[dead]", "probes: not supported by this study (dead)"),
    ],
)
def test_what_is_no_range_is_told_before_anything_runs(words, expected):
    with pytest.raises(ConfigError) as error:
        prepared(words)
    assert expected in str(error.value)


def test_an_optimizer_without_a_rate_per_replica_is_told():
    experiment = prepared(XOR)
    strange = replace(experiment, learner=replace(experiment.learner, optimizer=Rateless()))
    with pytest.raises(ValueError, match="optimizer: Rateless has no stackable option 'lr'"):
        LrRange().check(strange)


def test_a_range_is_a_run_with_table_and_figure(tmp_path):
    result = run(prepared(XOR), RunLocation(tmp_path / "one", tmp_path, "one"))
    assert {"lr_range.csv", "study.md", "study.npz"} <= {path.name for path in (tmp_path / "one").iterdir()}
    assert (tmp_path / "one" / "figures" / "lr_range.png").exists()
    assert result.metrics["lr_range/best_loss"] == pytest.approx(result.findings.arrays["loss"].min())
