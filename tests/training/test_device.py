"""One code path for CPU and GPU: trained on a stand-in that is as strict as CuPy, and on a GPU where there is one."""

import numpy as np
import pytest
from presets import TAGS
from spirals import DATA, learner

from framework import discover
from framework.config.composition import compose
from framework.config.options import EarlyStopping
from framework.core.arrays import DeviceError, array_module, gpu_module
from framework.experiments.experiment import prepare
from framework.registry.registry import conf_dir
from framework.testing.double import Double, HostDeviceMixError
from framework.training.trainer import train


def test_the_double_refuses_what_cupy_refuses():
    xp = Double()
    a, host = xp.asarray([1.0, 2.0]), np.ones(2)
    for mix in (lambda: a + host, lambda: host * a, lambda: xp.add(a, host), lambda: a[np.array([0])], lambda: np.sum(a)):
        with pytest.raises(HostDeviceMixError):
            mix()
    with pytest.raises(HostDeviceMixError):
        a[...] = host
    with pytest.raises(HostDeviceMixError):
        np.asarray(a)
    assert (xp.to_device, xp.to_host) == (1, 0)
    assert a.get().sum() == 3
    assert float((a + 1).sum()) == 5
    assert xp.to_host == 2


@pytest.mark.parametrize("optimizer", discover().names("optimizer"))
@pytest.mark.parametrize("options", [{}, {"batch_size": "all"}, {"accumulate": 2, "batch_size": 8}])
def test_a_stack_trains_on_a_device_as_on_the_host(optimizer, options):
    stack = [learner(optimizer, lr, keep, **options) for lr, keep in ((0.01, 0.8), (0.02, 0.7), (0.03, 0.9))]
    on_device = train(stack, [DATA], [0, 1, 2], xp=Double(), dtype=np.float64)
    on_host = train(stack, [DATA], [0, 1, 2], dtype=np.float64)
    for one, other in zip(on_device, on_host, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-12)


def test_replicas_leave_the_stack_on_a_device():
    stop = EarlyStopping(patience=1)
    stack = [learner("sgd", lr, early_stopping=stop, epochs=30) for lr in (0.5, 1e200, 1e-4)]
    on_device = train(stack, [DATA], [0, 1, 2], xp=Double(), dtype=np.float64)
    on_host = train(stack, [DATA], [0, 1, 2], dtype=np.float64)
    assert [(o.status, o.step, o.best_epoch) for o in on_device] == [(o.status, o.step, o.best_epoch) for o in on_host]
    assert "diverged" in {o.status for o in on_device}


MODELS = sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml"))
FITTING = dict.fromkeys(("attention", "rnn", "lstm", "lstm2", "gru", "indrnn"), "weather") | {"masked_lstm": "lagged_inputs"}
FITTING |= {"tagger": f"conll dataset.path={TAGS}"} | dict.fromkeys(("birnn", "crf", "tag_decoder"), "tagging")
FITTING |= {
    "seq2seq": "reverse",
    "caption": "captions",
    "window_scorer": "entity_windows",
    "joint": "entities",
    "relations": "entities",
}
CHOICES = [f"model={model} dataset={FITTING.get(model, 'digits')}" for model in MODELS]
CHOICES += ["dataset=sine", "dataset=spirals", "dataset=xor", "probes=layers"]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_preset_trains_on_a_device(choice):
    experiment = prepare(compose([*choice.split(), "trainer.steps=3"]))
    outcomes = [train([experiment.learner], [experiment.data], [0], xp=xp) for xp in (Double(), np)]
    assert outcomes[0][0].metrics == pytest.approx(outcomes[1][0].metrics, abs=1e-6)


def transfers(steps):
    xp = Double()
    train([learner(steps=steps, batch_size=16, validate_every=1000)] * 2, [DATA], [0, 1], xp=xp)
    return xp.to_host, xp.to_device


def test_a_step_brings_nothing_to_the_host():
    few, many = transfers(20), transfers(60)
    assert many[0] == few[0]


def test_a_step_takes_only_row_numbers_and_random_draws_to_the_device():
    few, many = transfers(20), transfers(60)
    assert many[1] - few[1] <= 40 * 3  # rows for x and for y, one mask of dropout


def test_a_missing_gpu_is_told_in_words():
    try:
        found = gpu_module()
    except DeviceError:
        with pytest.raises(DeviceError, match="CuPy"):
            array_module("gpu")
        assert array_module("auto") is np
    else:
        assert array_module("auto") is found


@pytest.mark.gpu
def test_a_stack_trains_on_a_gpu_as_on_the_host():
    try:
        xp = gpu_module()
    except DeviceError as error:
        pytest.skip(str(error))
    stack = [learner("adam", lr) for lr in (0.01, 0.02)]
    on_gpu, on_host = (train(stack, [DATA], [0, 1], xp=m, dtype=np.float64) for m in (xp, np))
    for one, other in zip(on_gpu, on_host, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-9)


def test_cupy_has_every_name_that_components_use():
    cupy = pytest.importorskip("cupy")
    import re
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    text = "\n".join(p.read_text() for folder in ("framework", "plugins") for p in (root / folder).rglob("*.py"))
    names = set(re.findall(r"\bxp\.(\w+)", text)) - {"to_host", "to_device", "bare", "wrapped"}
    assert [name for name in sorted(names) if not hasattr(cupy, name)] == []
