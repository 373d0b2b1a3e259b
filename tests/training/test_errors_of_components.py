"""An error in a component of a training: it names the component and its line, and so does what it must not return."""

from dataclasses import dataclass, replace
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest
from networks import learner, lone, mlp, regression

from framework import Callback
from framework.core.blame import described, named
from framework.core.errors import ConfigError
from framework.experiments.runner import informed
from framework_initializers.zeros import Zeros
from framework_optimizers.sgd import Sgd
from framework_regularizers.l2 import L2
from framework_schedules.constant import Constant
from framework_schedules.warmup import Warmup

DATA = regression(n=8)


def crash(self, *_):
    raise KeyError("price")


def crashing(base, method):
    """A component of a subclass, one method of which fails."""
    code = crash.__code__.replace(co_name=method)
    return faulty(base, **{method: FunctionType(code, globals())})


def returning(value):
    return lambda self, *_: value


def faulty(base, **methods):
    """A component of a subclass with other methods."""
    return type("Faulty", (base,), methods)()


def trained(**parts):
    layers = mlp(2, initializer=parts.pop("initializer")) if "initializer" in parts else mlp(2)
    return lone(replace(learner(layers, epochs=2), **parts), DATA, tier="array")


@pytest.mark.parametrize(
    ("parts", "who"),
    [
        ({"optimizer": crashing(Sgd, "init")}, "optimizer (Faulty): init"),
        ({"optimizer": crashing(Sgd, "update")}, "optimizer (Faulty): update"),
        ({"optimizer": crashing(Sgd, "lookahead")}, "optimizer (Faulty): lookahead"),
        ({"schedule": crashing(Constant, "__call__")}, "schedule (Faulty)"),
        ({"schedule": Warmup(steps=1, then=crashing(Constant, "__call__"))}, "schedule.then (Faulty)"),
        ({"regularizers": (L2(), crashing(L2, "__call__"))}, "regularizer (Faulty)"),
        ({"regularizers": (crashing(L2, "after"),)}, "regularizer (Faulty): after"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_in_training_names_its_component(parts, who):
    with pytest.raises(KeyError) as caught:
        trained(**parts)
    line = crash.__code__.co_firstlineno + 1
    assert described(caught.value) == f"{who}: KeyError: 'price' (test_errors_of_components.py, line {line})"
    assert caught.value.__notes__ == [f"in {who}"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"optimizer": faulty(Sgd, init=returning(None))}, "optimizer (Faulty): init returns None, not a dict of arrays"),
        ({"optimizer": faulty(Sgd, init=returning({"m": "no"}))}, "optimizer (Faulty): init returns a str as 'm', not an"),
        (
            {"optimizer": faulty(Sgd, update=returning(1.0))},
            "optimizer (Faulty): update returns a float; it changes w",
        ),
        ({"schedule": faulty(Constant, __call__=returning(None))}, "schedule (Faulty): it returns None, not a number"),
        ({"schedule": faulty(Constant, __call__=returning(-1))}, "schedule (Faulty): its factor at step 0 is -1.0, not a"),
        (
            {"schedule": faulty(Constant, __call__=returning(np.nan))},
            "schedule (Faulty): its factor at step 0 is nan, not a",
        ),
        (
            {"regularizers": [faulty(L2, __call__=returning(0.0))]},
            "regularizer (Faulty): it returns a float, not (p",
        ),
        (
            {"regularizers": [faulty(L2, __call__=returning((0.0, 0.0)))]},
            "regularizer (Faulty): its penalty is a float, not one number per replica, an array of shape (1,)",
        ),
        (
            {"regularizers": [faulty(L2, __call__=returning((np.zeros(1), np.zeros((1, 3)))))]},
            "regularizer (Faulty): its dW is an array of shape (1, 3), but W, of which it is the gradient, is (1, 3, 2)",
        ),
        (
            {"initializer": crashing(Zeros, "__call__")},
            "model.layers.out.initializer (Faulty): KeyError: 'price' (test_errors_of_components.py, line",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_return_value_names_its_component(parts, message):
    with pytest.raises(ValueError, match="Faulty") as caught:
        trained(**parts)
    assert str(caught.value).startswith(message)


def test_an_error_of_an_augmentation_names_its_line():
    with pytest.raises(ValueError, match=r"augmentation.cut: it fails on 'x': KeyError: 'price' \(test_err"):
        trained(augmentations={"cut": crashing(object, "__call__")})


@dataclass(frozen=True)
class Faulty(Callback):
    at: str

    def on_start(self, runs):
        self.at != "on_start" or crash(self)

    def on_metrics(self, member, step, values):
        self.at != "on_metrics" or crash(self)

    def on_finish(self):
        self.at != "on_finish" or crash(self)


@pytest.mark.parametrize("method", ["on_start", "on_metrics", "on_finish"])
def test_an_error_of_a_callback_names_it(method):
    settings = SimpleNamespace(callbacks={"mine": Faulty(method)}, study=None, record={})
    place = SimpleNamespace(name="run", folder=None)
    with pytest.raises(KeyError) as caught, informed([], [SimpleNamespace(settings=settings, steps=1)], [place]) as everyone:
        everyone[0].on_metrics(0, 1, {})
    assert caught.value.component == f"callbacks.mine (Faulty): {method}"


@pytest.mark.parametrize("text", ["raise ValueError('three columns are needed')", "float('three')"])
def test_a_data_set_explains_only_what_it_raises(text, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"def load():\n    {text}\n")
    namespace = {}
    exec(compile(file.read_text(), file, "exec"), namespace)
    with pytest.raises(ValueError, match="three") as caught, named("dataset 'mine'"):
        namespace["load"]()
    if "raise" in text:
        assert str(caught.value) == "three columns are needed"
    else:
        assert isinstance(caught.value, ConfigError)
        assert str(caught.value).startswith("dataset 'mine' raises ValueError: could not convert")
        assert str(caught.value).endswith("(mine.py, line 2)")
