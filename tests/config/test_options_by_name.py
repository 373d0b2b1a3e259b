"""Options of metrics and augmentations in the shell, like those of every other component."""

import pytest
from shell import QUICK, stackprop

from framework.config.composition import compose
from framework.core.errors import ConfigError

FORMS = {
    "a list": ["metrics=[f1,accuracy]", "metrics.f1.negative=1"],
    "a name": ["metrics=f1", "metrics.f1.negative=1"],
    "the option before the list": ["metrics.f1.negative=1", "metrics=[accuracy,f1]"],
    "a list with options": ["metrics=[{type: f1, negative: 2}]", "metrics.f1.negative=1"],
    "a new key": ["metrics=[f1]", "+metrics.f1.negative=1"],
}


@pytest.mark.parametrize("words", FORMS.values(), ids=FORMS)
def test_an_option_of_a_metric_is_set_by_its_name(words):
    metric, head = compose(words).metrics["f1"]
    assert (metric.negative, head) == (1, None)
    assert set(compose(words).metrics) == {"f1", *(["accuracy"] if "accuracy" in str(words) else [])}


def test_a_metric_may_have_another_name():
    found = compose(["metrics={mine: {type: f1}, all: accuracy}", "metrics.mine.negative=1", "metrics.all.threshold=0.4"])
    assert (found.metrics["mine"][0].negative, found.metrics["all"][0].threshold) == (1, 0.4)


def test_several_augmentations_have_options_by_name():
    found = compose(["augmentation=[rotate,noise]", "augmentation.noise.sigma=0.3", "augmentation.rotate.degrees=4"])
    assert (found.augmentations["noise"].sigma, found.augmentations["rotate"].degrees) == (0.3, 4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metrics.f1.negative=1"], r"metrics.f1.negative: metrics has no 'f1' .*; name it first: metrics=\[f1\]"),
        (["metrics=[f1]", "metrics.f2.negative=1"], "metrics.f2.negative: metrics has no 'f2' .there are: f1.; name it"),
        (["metrics=[f1]", "metrics.f1.negtive=1"], "metrics.f1.negtive: metric 'f1' has no such option; did you mean 'neg"),
    ],
)
def test_a_wrong_option_of_a_metric_is_named(words, message):
    with pytest.raises(ConfigError, match=message):
        compose(words)


@pytest.mark.slow
def test_options_of_metrics_are_swept(tmp_path):
    words = ["-m", *QUICK, "metrics=[f1]", "metrics.f1.negative=0,1", "tracking=none"]
    done = stackprop(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if "finished" in line] == ["0", "1"]
