"""Networks as scikit-learn's estimators: its own checks, and what a person does with them."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

from framework import discover, generator
from framework.config.composition import compose
from framework.core.errors import ConfigError, RunFailed
from framework.experiments.experiment import prepare
from framework.sklearn import Classifier, Regressor, word

QUICK = {"model": "linear", "optimizer__lr": 0.05, "random_state": 0}
EXPECTED = {
    "check_no_attributes_set_in_init": "an option is a parameter that the signature does not name: every key of every "
    "component can be one",
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn by example: one of weight 2 is in one batch, one "
    "that is given twice in two",
}
# Each trains a dozen networks, and says nothing of the interface that a quicker one does not say.
SLOW = {"check_classifiers_classes", "check_classifier_data_not_an_array", "check_regressor_data_not_an_array"}


@parametrize_with_checks(
    [
        Classifier(**{**QUICK, "optimizer__lr": 0.2}, dataset__scale="standard", trainer__epochs=15),
        Regressor(**QUICK, trainer__epochs=20),
    ],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learn_accepts_it(estimator, check):
    if check.func.__name__ in SLOW or check.keywords.get("readonly_memmap"):
        pytest.skip("slow, and told by others")
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return x, np.array(["setosa", "versicolor", "virginica"])[y]


def test_labels_of_any_kind_come_back(iris):
    model = Classifier(**QUICK, trainer__epochs=10).fit(*iris)
    p = model.predict_proba(iris[0])
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert p.sum(-1) == pytest.approx(np.ones(150))
    assert (model.predict(iris[0]) == model.classes_[p.argmax(-1)]).all()
    assert model.score(*iris) > 0.9
    assert model.n_features_in_ == 4


def test_a_search_over_options_in_a_pipeline(iris):
    pipe = make_pipeline(StandardScaler(), Classifier(model="mlp", trainer__epochs=5, random_state=0))
    grid = {"classifier__optimizer__lr": [1e-5, 1e-2], "classifier__model.hidden": [4]}
    search = GridSearchCV(pipe, grid, cv=3).fit(*iris)
    assert search.best_params_["classifier__optimizer__lr"] == 1e-2
    assert search.best_estimator_[-1].model_.weights["hidden"]["W"].shape == (4, 4)


def test_cross_validation_and_cloning(iris):
    estimator = Classifier(**QUICK, trainer__epochs=10, dataset__scale="standard")
    assert cross_val_score(estimator, *iris, cv=3).mean() > 0.85
    assert clone(estimator).get_params() == estimator.get_params()
    assert "optimizer__lr=0.05" in repr(estimator)
    assert "optimizer__lr" in estimator._repr_html_()


def test_the_same_training_as_from_the_shell():
    words = ["dataset=digits", "trainer.steps=30", "seed=3", "tracking=none"]
    made = prepare(compose(words))
    shell = made.train([made.learner], keys=[3])[0]
    data = discover().get("dataset", "digits")().load(generator(0, "dataset")).splits["train"]
    here = Classifier(trainer__steps=30, random_state=3).fit(data["x"], data["y"])
    for node, tensors in shell.weights.items():
        for name, a in tensors.items():
            assert (here.model_.weights[node][name] == a).all()


def test_random_state_is_the_seed(iris):
    def weights(state):
        return Classifier(model="linear", trainer__steps=1, random_state=state).fit(*iris).model_.weights["out"]["W"]

    assert (weights(1) == weights(1)).all()
    assert (weights(1) != weights(2)).any()
    assert (weights(None) != weights(None)).any()
    assert (weights(np.random.RandomState(5)) == weights(np.random.RandomState(5))).all()


def test_two_classes_with_one_output_have_two_probabilities(iris):
    x, y = iris[0][:100], iris[1][:100]
    model = Classifier(**QUICK, trainer__epochs=20, loss="binary_cross_entropy").fit(x, y)
    assert model.predict_proba(x).shape == (100, 2)
    assert model.score(x, y) > 0.95


def test_several_numbers_and_sequences():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 5, 2))
    y = np.stack([x.sum((1, 2)), x[:, -1, 0]], -1)
    model = Regressor(model="rnn", model__output="last", model__layers__input=None, model__hidden=8, trainer__epochs=30)
    model.set_params(random_state=0, optimizer__lr=0.01).fit(x, y)
    assert model.predict(x).shape == y.shape
    assert model.score(x, y) > 0.5
    assert (pickle.loads(pickle.dumps(model)).predict(x) == model.predict(x)).all()


def test_early_stopping_watches_the_part_held_out(iris):
    options = {**QUICK, "trainer__epochs": 200, "optimizer__lr": 1.0, "trainer__early_stopping__patience": 2}
    model = Classifier(**options, validation_fraction=0.2).fit(*iris)
    assert model.n_iter_ < 200
    assert {"val/loss", "val/accuracy"} <= set(model.metrics_)
    with pytest.raises(ConfigError, match="val"):
        Classifier(**options).fit(*iris)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer__lrr": 1}, "optimizer.lrr: optimizer 'adam' has no such option; did you mean 'lr'"),
        ({"optimizer__lr": -1}, "optimizer.lr: -1.0 must be above 0"),
        ({"model": "mpl"}, "model: unknown choice 'mpl'; did you mean 'mlp'"),
        ({"modle": "mlp"}, "modle: .* did you mean 'model'"),
        ({"seed": 1}, "seed: use the estimator's random_state"),
        ({"dataset": "digits"}, "dataset: the data are given to `fit`"),
        ({"dataset__val": 0.9}, r"dataset\.val: the data are given to `fit`; use validation_fraction"),
        ({"folds": 3, "fold": 1}, "folds: use scikit-learn's cross_validate"),
        ({"probes": ["layers"]}, "probes: an estimator records nothing"),
        ({"tracking": "mlflow"}, "tracking: an estimator records nothing"),
        ({"tracking__uri": "here"}, r"tracking\.uri: an estimator records nothing"),
        ({"study__steps": 3}, r"study\.steps: a study is not an estimator"),
        ({"validation_fraction": 1.5}, r"validation_fraction: 1\.5 is not a fraction; from 0 to below 1"),
        ({"validation_fraction": "some"}, "validation_fraction: 'some' is not a fraction"),
        ({"validation_fraction": 0.001}, r"validation_fraction: 0\.001 of 150 examples leaves 0 to validate, 150 to train"),
        ({"loss": "mse"}, "loss: MeanSquaredError needs targets of kind real"),
    ],
)
def test_a_wrong_option_is_told_in_the_words_of_the_shell(iris, options, message):
    with pytest.raises(ConfigError, match=message):
        Classifier(**options).fit(*iris)


def test_a_training_that_diverges_fails(iris):
    with pytest.raises(RunFailed, match="diverged"):
        Regressor(optimizer="sgd", optimizer__lr=1e6, trainer__epochs=2).fit(iris[0], iris[0][:, 0])


def test_what_is_allowed_and_hardly_meant_is_a_warning(iris):
    after = {"type": "activation", "function": "softmax"}
    with pytest.warns(UserWarning, match="computes probabilities itself"):
        Classifier(**QUICK, trainer__steps=1, model__layers__after=after).fit(*iris)


def test_nothing_is_written(iris, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Classifier(**QUICK, trainer__steps=1).fit(*iris)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value", ["it's", "${seed}", "a,b", "", True, None, 1e-7, np.float32(0.5), [1, "a b"], {"type": "relu"}]
)
def test_a_value_means_itself_as_an_override(value):
    found = OverridesParser.create().parse_override(f"key={word(value)}").value()
    assert found == (value.item() if isinstance(value, np.generic) else value)


def test_the_core_does_without_scikit_learn():
    code = "import framework, sys; framework.run, framework.sweep; print('sklearn' in sys.modules, 'hydra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False False\n"


# Weights.


def test_an_example_without_weight_teaches_nothing(iris):
    x, y = iris
    options = {**QUICK, "trainer__batch_size": "all", "trainer__epochs": 5, "dtype": "float64"}
    alone = Classifier(**options).fit(x[:120], y[:120])
    x[120:] *= 9
    weighted = Classifier(**options).fit(x, y, sample_weight=np.arange(150) < 120)
    assert weighted.predict_proba(x) == pytest.approx(alone.predict_proba(x), rel=1e-9)


@pytest.mark.parametrize("class_weight", ["balanced", {"setosa": 0.5, "versicolor": 2, "virginica": 1}])
def test_weights_of_classes_are_those_of_scikit_learn(iris, class_weight):
    x, y = iris[0][:120], iris[1][:120]
    options = {**QUICK, "trainer__epochs": 3, "dtype": "float64"}
    made = clone(Classifier(**options, class_weight=class_weight)).fit(x, y)
    same = Classifier(**options).fit(x, y, sample_weight=compute_sample_weight(class_weight, y))
    assert made.predict_proba(x) == pytest.approx(same.predict_proba(x), rel=1e-9)


def test_weights_that_cannot_be_used_are_errors(iris):
    faults = ((-np.ones(150), "Negative"), (np.zeros(150), "non-zero|every weight is 0"), (np.ones(3), "shape"))
    for weights, message in faults:
        with pytest.raises(ValueError, match=message):
            Classifier(**QUICK).fit(*iris, sample_weight=weights)
