"""One batch learnt by heart: what passes, and what is said of what does not."""

import json

import numpy as np
import pytest

from framework.config.composition import compose
from framework.core.errors import RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.tracking.metrics_file import read_lines
from framework.tracking.run_dir import RunLocation
from framework_studies.overfit_batch import trend

XOR = "dataset=xor model.hidden=16 activation=tanh optimizer.lr=0.05 "
GIVEN = "dataset=given model=mlp model.hidden=4 optimizer.lr=0.05 "


def prepared(words):
    return prepare(compose(["study=overfit_batch", "tracking=none", "device=cpu", *words.split()]))


def studied(words):
    experiment = prepared(words)
    return experiment.settings.study(experiment)


@pytest.mark.parametrize(
    "words",
    [
        XOR + "study.steps=300",
        XOR + "study.steps=300 model.layers.drop={type:dropout,after:act,keep:0.8}",
        "dataset=sine model.hidden=20 activation=tanh optimizer.lr=0.03 study.batch_size=4 study.steps=400",
        "model=cnn model.filters=4 model.filters2=8 optimizer.lr=0.02 study.batch_size=4 study.steps=80",
        "dataset=hello model=lstm model.hidden=8 optimizer.lr=0.1 study.steps=150",
        "dataset=reverse model=seq2seq model.hidden=16 optimizer.lr=0.03 study.batch_size=2 study.steps=250",
    ],
    ids=["mlp", "dropout", "regression", "cnn", "lstm", "seq2seq"],
)
def test_networks_that_work_learn_a_batch_by_heart(words):
    found = studied(words)
    assert found.failure == ""
    assert found.summary.startswith("Learnt by heart: the loss on ")
    assert min(found.series["val/loss"][:, 1].min(), found.rows[:, 0].min()) <= 0.01 * found.rows[0, 0]


def test_the_losses_are_those_of_the_one_batch_along_training():
    found = studied(XOR + "study.steps=40 study.batch_size=5 regularizer=l2 trainer.early_stopping.patience=1")
    assert found.rows.shape == (40, len(found.columns))
    assert "train/penalty" not in found.columns
    assert found.series["val/loss"][:, 0].tolist() == list(range(1, 41))
    after = found.series["val/loss"][:-1, 1]  # after a step: what the next step begins with
    assert found.rows[1:, 0] == pytest.approx(after, rel=1e-4)
    assert "overfit_batch" in found.figures


def test_a_contradiction_between_examples_is_named():
    fields = "dataset.fields={x:{values:[[1,0],[0,1],[1,0]]},y:{values:[0,1,1],kind:label}}"
    found = studied(GIVEN + fields + " study.steps=200")
    assert "examples 1 and 3 differ only in their targets: no network can distinguish them" in found.failure
    assert "it no longer decreases" in found.failure
    assert "accuracy 0.667" in found.failure


def test_a_layer_that_no_gradient_reaches_is_named():
    dead = "model.layers.hidden.initial={W:[[0,0,0,0],[0,0,0,0]],b:[-9,-9,-9,-9]} activation=relu"
    fields = "dataset.fields={x:{values:[[1,0],[0,1]]},y:{values:[0,1],kind:label}}"
    found = studied(GIVEN + f"{fields} {dead} study.steps=50")
    assert "no gradient reaches hidden" in found.failure


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (XOR + "optimizer.lr=0.00001 study.steps=50", "it no longer decreases: check the gradient (study=gradcheck)"),
        (
            XOR + "optimizer.lr=0.02 study.steps=30",
            "it still decreases: use more steps (study.steps) or a larger optimizer.lr",
        ),
        ("dataset=sine optimizer=sgd optimizer.lr=100 activation=linear", "the loss is not finite after step "),
        ("experiment=trace_4_2_1 study=overfit_batch study.steps=50", "it is below 0 and has no minimum to reach"),
    ],
)
def test_what_went_wrong_is_told(words, expected):
    assert expected in studied(words).failure


def test_a_batch_that_is_not_learnt_is_a_failed_run_with_its_curve_and_reason(tmp_path):
    reason = r"the loss on 4 examples decreased from .* in 20 steps, but not to .* \(study\.goal=0\.01\)"
    with pytest.raises(RunFailed, match=reason):
        run(prepared(XOR + "study.steps=20"), RunLocation(tmp_path / "one", tmp_path, "one"))
    told = json.loads((tmp_path / "one" / "run.json").read_text())
    assert (told["status"], told["state"]) == ("failed", "FAILED")
    lines = read_lines(tmp_path / "one" / "metrics.jsonl")
    assert sum("train/loss" in line for line in lines) == 20
    assert (tmp_path / "one" / "figures" / "overfit_batch.png").exists()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([3.0], "one step is not enough"),
        (0.97 ** np.arange(12), "it still decreases"),  # 3 % a step is slow for a step, and not for six
        (0.97 ** np.arange(100), "it still decreases"),
        (np.ones(12), "it no longer decreases"),
        (0.999 ** np.arange(30), "it no longer decreases"),
    ],
)
def test_the_end_of_a_curve_is_told_from_enough_steps(loss, expected):
    assert trend(np.array(loss)).startswith(expected)
