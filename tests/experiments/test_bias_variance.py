"""The study of bias and variance: its arithmetic, closed forms, training sets, records, and what it refuses."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import yaml
from networks import distance

from framework import Data, Field, generator, load
from framework.config.composition import compose
from framework.core.errors import ConfigError, RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.registry.registry import conf_dir
from framework.tracking.metrics_file import read_lines
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RunLocation
from framework.training.trainer import train
from framework_studies.bias_variance._decomposition import decompose, jackknife, zero_one
from framework_studies.bias_variance._training_sets import training_sets

SINE = ["study=bias_variance", "dataset=sine", "model.hidden=6", "activation=tanh", "device=cpu", "trainer.batch_size=all"]
SMALL = [*SINE, "trainer.steps=60", "study.members=12", "study.looks=6", "tracking=none"]


def prepared(*words):
    return prepare(compose([*SMALL, *words]))


def studied(*words):
    experiment = prepared(*words)
    return experiment, experiment.settings.study(experiment)


@pytest.fixture(scope="module")
def predictions():
    """50 estimates of 30 numbers, and targets with noise of their own."""
    rng = np.random.default_rng(0)
    f = rng.standard_normal(30)
    y = f + 0.3 + 0.5 * rng.standard_normal((50, 30))
    return y, f, f + 0.2 * rng.standard_normal((50, 30))


def test_M2_bias2_and_variance_add_up_to_the_distance_from_the_truth(predictions):
    y, f, targets = predictions
    d = decompose(y, f, targets, 0.04)
    assert d.bias2 + d.variance == pytest.approx(np.mean((y - f) ** 2), abs=1e-12)
    assert d.epe == pytest.approx(np.mean((targets - y) ** 2), abs=1e-12)
    assert d.gap == pytest.approx(d.epe - d.bias2 - d.variance - d.noise, abs=1e-12)


def test_M3_the_measured_error_is_the_sum_within_its_standard_error(predictions):
    d = decompose(*predictions, 0.04)
    assert abs(d.gap) < 3 * d.se["gap"] < 0.03


def test_where_targets_stand_for_the_truth_their_noise_is_taken_off_the_bias(predictions):
    y, f, _ = predictions
    targets = f + 0.2 * np.random.default_rng(1).standard_normal(30)
    d = decompose(y, None, targets, 0.04)
    assert d.bias2 == pytest.approx(np.mean((targets - y.mean(0)) ** 2) - 0.04, abs=1e-12)
    assert d.gap == pytest.approx(0, abs=1e-12)


def test_standard_errors_are_those_of_repeated_studies():
    rng, f = np.random.default_rng(2), np.linspace(-1, 1, 5)
    found = [decompose(f + 0.5 + rng.standard_normal((40, 5)), f, f, 0.0) for _ in range(400)]
    for term in ("bias2", "variance"):
        assert np.mean([d.se[term] for d in found]) == pytest.approx(np.std([getattr(d, term) for d in found]), rel=0.1)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    v = np.random.default_rng(3).standard_normal(20)
    left_out = (v.sum() - v) / 19
    assert jackknife(left_out) == pytest.approx(v.std(ddof=1) / np.sqrt(20))


def test_M7_the_terms_of_the_0_1_loss_do_not_add_up():
    truth = np.array([0, 0])
    classes = np.array([[0, 1], [0, 1], [1, 0]])  # the majority is right at the first place, wrong at the second
    found = zero_one(classes, truth)
    assert found == {"bias": 0.5, "variance": pytest.approx(1 / 3), "error": 0.5}
    assert found["bias"] + found["variance"] != found["error"]


def polynomials(degree, rng):
    """Medians over x of bias2 and variance of 500 least-squares polynomials, each on 20 noisy points of sin(2 pi x)."""
    x = rng.uniform(0, 1, (500, 20))
    y = np.sin(2 * np.pi * x) + 0.3 * rng.standard_normal((500, 20))
    grid = np.linspace(0, 1, 101)
    c = np.linalg.pinv(np.polynomial.legendre.legvander(2 * x - 1, degree)) @ y[..., None]
    at = c[..., 0] @ np.polynomial.legendre.legvander(2 * grid - 1, degree).T
    found = [decompose(at[:, i : i + 1], np.sin(2 * np.pi * grid[i : i + 1]), np.zeros(1), 0.0) for i in range(101)]
    return [np.median([d.bias2 for d in found]), np.median([d.variance for d in found])]


@pytest.mark.parametrize(
    ("degree", "bias2", "variance"), [(0, 0.473, 0.032), (1, 0.172, 0.028), (3, 0.0037, 0.018), (9, 0.0011, 1.78)]
)
def test_M4_polynomials_as_in_the_notes_within_their_monte_carlo_error(degree, bias2, variance):
    logs = np.log([polynomials(degree, np.random.default_rng(seed)) for seed in range(8)])
    off = np.abs(np.log([bias2, variance]) - logs.mean(0)) / logs.std(0, ddof=1)
    assert (off < 3).all(), off


def test_M5_ridge_has_the_bias_and_variance_of_its_closed_form():
    """w^ = A y with A = (X'X/n + lambda I)^-1 X'/n: bias x'(A X w - w), variance sigma^2 |x'A|^2."""
    words = ["dataset=linear", "dataset.features=4", "dataset.n=30", "dataset.sigma=0.1", "model=linear", "dtype=float64"]
    words += ["regularizer=l2", "regularizer.strength=0.1", "optimizer=sgd", "optimizer.lr=0.2", "trainer.steps=150"]
    words += ["model.layers.out.bias=false", "study.members=3000", "study.looks=2", "study.draw=noise"]
    experiment = prepare(compose([word for word in [*SMALL, *words] if word != "model.hidden=6"]))
    found = experiment.settings.study(experiment)
    X, at = (experiment.data.splits[split]["x"] for split in ("train", "test"))
    at = at[:200]
    w = np.linalg.lstsq(at, experiment.data.f(at), rcond=None)[0]
    A = np.linalg.solve(X.T @ X / 30 + 0.1 * np.eye(4), X.T / 30)
    bias2, variance = np.mean((at @ (A @ X @ w - w)) ** 2), 0.01 * np.mean(np.sum((at @ A) ** 2, -1))
    told = found.metrics
    assert told["bias_variance/bias2"] == pytest.approx(bias2, rel=0.01)
    assert told["bias_variance/variance"] == pytest.approx(variance, rel=0.01)


def test_M6_too_few_units_are_told_as_bias_and_too_many_as_variance():
    few = studied("model.hidden=1", "trainer.steps=400", "optimizer.lr=0.03", "study.members=20")[1]
    many = studied("model.hidden=50", "trainer.steps=400", "optimizer.lr=0.03", "study.members=20", "dataset.sigma=0.5")[1]
    assert "High bias" in few.summary
    assert "High variance" in many.summary


def test_a_member_is_the_network_that_trains_alone_on_its_set():
    experiment, found = studied("dtype=float64", "dataset.n_val=0")
    _, sets = training_sets(experiment, "fresh", 12)
    lone = train([experiment.learner], [sets[7]], [(0, 7)], dtype=np.float64)[0]
    assert distance(lone, found.outcomes[7]) < 1e-9


def test_the_terms_are_recorded_along_training_with_means_of_loss_and_norms():
    _, found = studied()
    assert found.series["bias_variance/epe"][:, 0].tolist() == [1, 10, 20, 30, 40, 50, 60]
    assert found.rows.shape == (60, len(found.columns))
    assert {"train/loss", "grad_norm/hidden"} <= set(found.columns)
    last = np.mean([outcome.metrics["val/loss"] for outcome in found.outcomes])
    assert found.series["val/loss"][-1].tolist() == [60, pytest.approx(last)]
    y, f = found.arrays["predictions"], found.arrays["f"]
    assert found.metrics["bias_variance/bias2"] == pytest.approx(np.mean((f - y.mean(0)) ** 2))


def test_members_that_stopped_early_count_with_what_they_kept():
    _, found = studied("trainer.early_stopping.patience=2", "optimizer.lr=0.1", "trainer.steps=200")
    assert {outcome.status for outcome in found.outcomes} >= {"stopped_early"}
    assert all(np.isfinite(points).all() for points in found.series.values())
    kept = np.mean([outcome.best for outcome in found.outcomes])  # of all, at the weights that each kept
    assert f"val/loss {kept:.3g})" in found.summary
    assert found.series["val/loss"][-1, 1] == pytest.approx(kept)


def test_early_stopping_may_watch_a_metric():
    words = ["dataset=spirals", "dataset.n=60", "model.hidden=8", "trainer.early_stopping.monitor=val/accuracy"]
    _, found = studied(*words, "trainer.early_stopping.patience=1", "trainer.batch_size=16", "study.members=4")
    assert {outcome.status for outcome in found.outcomes} >= {"stopped_early"}


def test_a_single_step_has_figures_without_complaint():
    assert studied("trainer.steps=1")[1].series["bias_variance/epe"].shape == (1, 2)


def test_M1_training_sets_differ_and_do_not_depend_on_how_many_there_are():
    experiment = prepared()
    few, many = (training_sets(experiment, "fresh", n)[1] for n in (2, 5))
    assert np.array_equal(few[1].splits["train"]["x"], many[1].splits["train"]["x"])
    assert not np.array_equal(many[1].splits["train"]["x"], many[2].splits["train"]["x"])
    assert "test" not in many[0].splits


def test_fresh_noise_keeps_x():
    experiment = prepared()
    a, b = (data.splits["train"] for data in training_sets(experiment, "noise", 2)[1])
    assert np.array_equal(a["x"], b["x"])
    assert np.std(a["y"] - experiment.data.f(a["x"])) == pytest.approx(0.2, rel=0.5)
    assert not np.array_equal(a["y"], b["y"])


def test_bootstrap_repeats_examples_and_disjoint_sets_share_none():
    experiment = prepared()
    x = set(experiment.data.splits["train"]["x"].ravel())
    drawn = training_sets(experiment, "bootstrap", 3)[1][2].splits["train"]["x"].ravel()
    assert set(drawn) < x
    assert len(drawn) == 20
    apart = [set(data.splits["train"]["x"].ravel()) for data in training_sets(experiment, "disjoint", 4)[1]]
    assert set.union(*apart) == x
    assert sum(map(len, apart)) == 20


def test_examples_that_are_only_split_anew_are_no_fresh_sets():
    digits = prepare(compose(["study=bias_variance", "dataset=digits", "device=cpu"]))
    assert training_sets(digits, "auto", 2)[0] == "bootstrap"
    with pytest.raises(ValueError, match="'fresh' splits the same examples again, so that networks would learn from"):
        training_sets(digits, "fresh", 2)
    made = prepare(compose(["study=bias_variance", "dataset=spirals", "dataset.n=30", "device=cpu"]))
    assert len(training_sets(made, "fresh", 3)[1]) == 3


def test_a_truth_that_is_drawn_with_the_data_is_kept():
    experiment = prepare(compose(["study=bias_variance", "dataset=linear", "model=linear", "device=cpu"]))
    assert training_sets(experiment, "auto", 3)[0] == "noise"
    with pytest.raises(ValueError, match="'fresh' draws another true function each time; use noise"):
        training_sets(experiment, "fresh", 3)


def test_a_classifier_is_decomposed_by_its_probabilities_and_apart_by_its_answers():
    words = ["dataset=spirals", "dataset.n=90", "model.hidden=8", "trainer.batch_size=16", "trainer.steps=30"]
    _, found = studied(*words)
    told = found.metrics
    assert told["bias_variance/noise"] == 0
    assert told["bias_variance/bias2"] + told["bias_variance/variance"] == pytest.approx(
        told["bias_variance/epe"], abs=1e-12
    )
    assert 0 < told["zero_one/error"] < 1
    assert "0-1 loss, which does not add up" in found.summary


def test_several_labels_of_an_example_count_each():
    rng = np.random.default_rng(0)
    splits = {s: {"x": rng.normal(size=(24, 3)), "y": rng.integers(0, 2, (24, 2))} for s in ("train", "val", "test")}
    data = Data(splits, {"x": Field("NF"), "y": Field("NF", "label", 2)})
    words = ["study=bias_variance", "model.hidden=3", "trainer.steps=5", "study.members=6", "tracking=none"]
    experiment = prepare(compose(words), data)
    found = experiment.settings.study(experiment)
    assert found.metrics["bias_variance/epe"] > 0
    assert "zero_one/error" not in found.metrics


def test_scaled_targets_are_decomposed_in_their_own_unit():
    _, plain = studied()
    experiment, scaled = studied("dataset.scale=standard", "dataset.scale_targets=true")
    assert np.allclose(scaled.arrays["f"], plain.arrays["f"], rtol=0, atol=1e-12)
    assert scaled.metrics["bias_variance/noise"] == pytest.approx(plain.metrics["bias_variance/noise"], rel=1e-12)
    test, head = experiment.data.splits["test"], experiment.learner.heads["loss"]
    fields = {name: a[np.argsort(test["x"][:, 0])] for name, a in test.items()}
    y = experiment.predict([scaled.outcomes[0].weights], fields, head)[0]
    assert np.allclose(scaled.arrays["predictions"][0], experiment.scale.undo("y", y)[:, 0], rtol=0, atol=1e-12)
    with pytest.raises(ConfigError, match=r"known noise of variance 0\.04$"):
        prepared("dataset.scale=standard", "dataset.scale_targets=true", "study.noise=1")


def test_sequences_are_decomposed_too():
    words = ["dataset=weather", "dataset.days=80", "model=gru", "model.hidden=4", "trainer.steps=10"]
    experiment = prepare(compose([word for word in [*SMALL, *words] if word not in ("dataset=sine", "activation=tanh")]))
    found = experiment.settings.study(experiment)
    assert found.metrics["bias_variance/epe"] > 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dataset.n=1"], "study: all training sets would be equal (got 1 training example)"),
        (["dataset=sine", "dataset.n_val=0", "dataset.n_test=0"], "study: the data set has neither a test split"),
        (["probes=[dead]"], "probes: not supported by this study (dead)"),
        (
            ["study.draw=disjoint", "study.members=30"],
            "study.draw: 'disjoint' needs more training examples (got 20 for 30 members)",
        ),
        (["study.noise=0.1"], "study.noise: not allowed, since the data set has known noise of variance 0.04"),
        (["study.members=2"], "study.members: 2 must be at least 3"),
        (["study.drow=fresh"], "did you mean 'draw'"),
    ],
)
def test_data_that_cannot_serve_it_are_told_before_anything_runs(words, expected):
    with pytest.raises(ConfigError) as error:
        prepared(*words)
    assert expected in str(error.value)


def test_unknown_noise_and_a_single_class_are_told():
    experiment = prepared()
    unknown = replace(experiment, data=replace(experiment.data, f=None, sigma=None, name="mine"))
    with pytest.raises(ValueError, match=r"study\.noise: the data set 'mine' has unknown noise in its targets"):
        experiment.settings.study.check(unknown)
    going_on = replace(experiment, data=replace(experiment.data, stateful=True))
    with pytest.raises(ValueError, match=r"dataset\.stateful=false"):
        experiment.settings.study.check(going_on)
    labels = {s: {"x": np.eye(4), "y": np.ones(4, int)} for s in ("train", "test")}
    data = Data(labels, {"x": Field("NF"), "y": Field("N", "label", 3)})
    with pytest.raises(ValueError, match=r"study: all training targets have the same class \(1\)"):
        experiment.settings.study.check(replace(experiment, data=data))


def test_diverged_members_fail_the_study_or_are_left_out():
    words = ["optimizer=sgd", "optimizer.lr=1.2", "activation=linear", "trainer.steps=400"]
    _, failed = studied(*words)
    assert "members diverged (trainer.on_divergence=record leaves them out)" in failed.failure
    some = ["optimizer.lr=0.3", "trainer.steps=100", "trainer.on_divergence=record"]
    kept = studied(*words, *some)[1]
    left = [outcome for outcome in kept.outcomes if outcome.status != "diverged"]
    assert len(kept.arrays["predictions"]) == len(left) < 12
    assert kept.series["val/loss"][-1, 1] == pytest.approx(np.mean([outcome.metrics["val/loss"] for outcome in left]))
    assert re.search(r"\b[1-9]\d? of 12 members diverged", kept.summary)
    assert kept.failure == ""
    assert np.isfinite(kept.rows).all()
    assert kept.rows[:, 0].max() < 100  # and none of what is left out is in the means


def test_a_study_is_one_run_in_folder_and_store(tmp_path):
    settings = compose([word for word in SMALL if word != "tracking=none"])
    result = run(prepare(settings), RunLocation(tmp_path / "one", tmp_path, "one", command="stackprop study=bias_variance"))
    folder = tmp_path / "one"
    assert {"bias_variance.csv", "study.md", "study.npz", "metrics.jsonl"} <= {path.name for path in folder.iterdir()}
    assert {path.name for path in (folder / "figures").iterdir()} == {"bias_variance.png", "predictions.png"}
    lines = [line for line in read_lines(folder / "metrics.jsonl") if "bias_variance/epe" in line]
    assert lines[-1]["step"] == 60
    assert lines[-1]["bias_variance/epe"] == result.metrics["bias_variance/epe"]
    assert json.loads((folder / "run.json").read_text())["state"] == "FINISHED"
    store = MlflowStore(Tracking(), tmp_path)
    (recorded,) = store.client.search_runs([store.experiment_id])
    points = store.client.get_metric_history(recorded.info.run_id, "bias_variance/bias2")
    assert [point.step for point in points] == [1, 10, 20, 30, 40, 50, 60]
    assert len(store.client.get_metric_history(recorded.info.run_id, "grad_norm/hidden")) == 60
    assert "| bias2 |" in recorded.data.tags["mlflow.note.content"]
    files = {file.path for file in store.client.list_artifacts(recorded.info.run_id)}
    assert files >= {"figures", "study.md", "bias_variance.csv"}
    with pytest.raises(ConfigError, match="a study saves no network"):
        load(folder)


def test_a_study_that_fails_is_a_failed_run(tmp_path):
    words = ["optimizer=sgd", "optimizer.lr=1.2", "activation=linear", "trainer.steps=400"]
    with pytest.raises(RunFailed, match="members diverged"):
        run(prepared(*words), RunLocation(tmp_path / "one", tmp_path, "one"))
    told = json.loads((tmp_path / "one" / "run.json").read_text())
    assert (told["status"], told["state"]) == ("failed", "FAILED")
    assert not (tmp_path / "one" / "traceback.txt").exists()


def test_noise_at_the_places_is_each_members_own():
    a, b = (generator((0, member), "study/test noise").standard_normal(3) for member in (0, 1))
    assert not np.array_equal(a, b)


PRESETS = sorted(path.stem for path in (conf_dir() / "experiment").glob("bias_variance_*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_M3_terms_and_measured_error_agree_in_every_shipped_study(preset):
    told = yaml.safe_load((conf_dir() / "experiment" / f"{preset}.yaml").read_text())
    (key, values), *_ = told["hydra"]["sweeper"]["params"].items()
    for value in (str(values).split(",")[0], str(values).split(",")[-1]):
        experiment = prepare(compose([f"experiment={preset}", f"{key}={value}", "trainer.steps=150", "study.members=20"]))
        rows = list(csv.DictReader(experiment.settings.study(experiment).files["bias_variance.csv"].splitlines()))
        for row in (rows[0], rows[-1]):
            assert abs(float(row["gap"])) < 3 * float(row["se_gap"]) + 1e-12
