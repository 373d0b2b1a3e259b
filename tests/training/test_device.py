"""One code path for CPU and GPU: trained on a stand-in that is as strict as CuPy, and on a GPU where there is one."""

import logging
from dataclasses import dataclass

import numpy as np
import pytest
from presets import TAGS
from spirals import DATA, learner

from framework import Data, Field, Head, Network, discover, keep_replicas, option, product, row_sums, stack
from framework.config.composition import compose
from framework.config.options import EarlyStopping, TrainerOptions
from framework.core.arrays import DeviceError
from framework.core.cuda import gpu_module
from framework.core.stacking import to_device
from framework.data.loader import BatchSampler, DataLoader
from framework.experiments.experiment import prepare
from framework.nn.arena import Arena
from framework.registry.registry import conf_dir
from framework.testing import shim
from framework.testing.cupy_limits import ABSENT, MISSING
from framework.testing.double import Double, HostDeviceMixError
from framework.training import device
from framework.training.compiled.cuda import passes
from framework.training.device import is_worth_a_gpu
from framework.training.learner import Learner
from framework.training.memory import Footprint, free_memory, widest
from framework.training.parallel import train_sliced
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


def test_the_double_is_laid_out_as_cupy_lays_out():
    xp = Double()
    a = xp.asarray(np.arange(24.0).reshape(2, 3, 4))
    for found in (a.swapaxes(-1, -2) + 1, xp.where(a.swapaxes(-1, -2) > 3, 1.0, 0.0), xp.exp(a[..., ::2].swapaxes(0, 1))):
        assert found.flags.c_contiguous
    assert not a.swapaxes(-1, -2).flags.c_contiguous  # a view
    assert xp.ascontiguousarray(a) is not a
    assert xp.ascontiguousarray(a.swapaxes(-1, -2)).flags.c_contiguous


LAUNCHES = {  # by the rules of framework/testing/launches.py
    "a view": (lambda xp, a: a[..., 0].swapaxes(0, 1)[None], {}),
    "a sum": (lambda xp, a: a + 1, {"elementwise": 1}),
    "a reduction": (lambda xp, a: a.sum(-1) * xp.sqrt(a).max(), {"reduction": 2, "elementwise": 2}),
    "a product of two axes": (lambda xp, a: a[0] @ a[0], {"product": 1}),
    "a product per replica": (lambda xp, a: a @ a, {"product": 1}),
    "a product with a transposed operand": (lambda xp, a: a @ a.swapaxes(-1, -2), {"product": 1, "product copy": 1}),
    "a product that broadcasts": (lambda xp, a: a[:1] @ a, {"product": 4}),
    "eight arrays joined": (lambda xp, a: xp.stack([a] * 8), {"concatenation": 8}),
    "nine arrays joined": (lambda xp, a: xp.concatenate([a] * 9, -1), {"concatenation": 1}),
    "a reshape that copies": (lambda xp, a: a.swapaxes(-1, -2).reshape(-1), {"copy": 1}),
    "a reshape that does not": (lambda xp, a: a.reshape(-1), {}),
    "an update in place": (lambda xp, a: a[0].__iadd__(1), {"elementwise": 1}),
    "an assignment": (lambda xp, a: a.__setitem__(0, a[1]), {"assignment": 1}),
    "rows": (lambda xp, a: a[xp.zeros(2, int)], {"fill": 1, "index": 1}),
    "rows and columns": (lambda xp, a: a[xp.zeros(2, int), xp.zeros(2, int)], {"fill": 2, "index": 7}),
    "a number out of an array": (lambda xp, a: a.sum().item(), {"reduction": 1, "waits": 1}),
    "a list out of an array": (lambda xp, a: a.tolist(), {"waits": 1}),
    "a boolean index": (lambda xp, a: a[a > 1], {"elementwise": 1, "index": 6, "waits": 1}),
    "a number assigned by a mask": (lambda xp, a: a.__setitem__(a > 1, 0.0), {"elementwise": 1, "assignment": 1}),
}


@pytest.mark.parametrize("what", LAUNCHES)
def test_the_double_counts_what_cupy_launches(what):
    run, expected = LAUNCHES[what]
    xp = Double()
    run(xp, xp.asarray(np.ones((3, 4, 4))))
    assert {**{kind: n for kind, n in xp.launches.items() if n}, **({"waits": xp.to_host} if xp.to_host else {})} == expected


def test_the_double_lacks_what_cupy_lacks():
    xp = Double()
    for use in (lambda: xp.unstack, lambda: xp.linalg.multi_dot, lambda: xp.asarray([1.0]).setflags, lambda: xp.random):
        with pytest.raises(HostDeviceMixError):
            use()
    cupy = pytest.importorskip("cupy")
    for where, there, names in ((np, cupy, ABSENT), (np.linalg, cupy.linalg, MISSING["linalg"])):
        functions = {
            n for n in dir(where) if callable(getattr(where, n)) and not n.startswith("_") and n not in ("test", "array")
        }
        assert {n for n in names if hasattr(there, n)} == set()
        assert {
            n for n in functions if not hasattr(there, n) and not isinstance(getattr(where, n), type)
        } <= names | SETTINGS


SETTINGS = {"busday_count", "busday_offset", "datetime_as_string", "datetime_data", "get_include", "getbufsize", "geterr"}
SETTINGS |= {"geterrcall", "info", "is_busday", "setbufsize", "seterr", "seterrcall", "show_runtime"}  # none of arrays


@pytest.mark.parametrize("optimizer", discover().names("optimizer"))
@pytest.mark.parametrize("options", [{}, {"batch_size": "all"}, {"accumulate": 2, "batch_size": 8}])
def test_a_stack_trains_on_a_device_as_on_the_host(optimizer, options):
    members = [learner(optimizer, lr, keep, **options) for lr, keep in ((0.01, 0.8), (0.02, 0.7), (0.03, 0.9))]
    on_device = train(members, [DATA], [0, 1, 2], xp=Double(), dtype=np.float64)
    on_host = train(members, [DATA], [0, 1, 2], dtype=np.float64)
    for one, other in zip(on_device, on_host, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-12)


def test_replicas_leave_the_stack_on_a_device():
    stop = EarlyStopping(patience=1)
    members = [learner("sgd", lr, early_stopping=stop, epochs=30) for lr in (0.5, 1e200, 1e-4)]
    on_device = train(members, [DATA], [0, 1, 2], xp=Double(), dtype=np.float64)
    on_host = train(members, [DATA], [0, 1, 2], dtype=np.float64)
    assert [(o.status, o.step, o.best_epoch) for o in on_device] == [(o.status, o.step, o.best_epoch) for o in on_host]
    assert "diverged" in {o.status for o in on_device}


def test_replicas_leave_whose_options_are_strings():
    words = [
        "model=masked_lstm",
        "dataset=lagged_inputs",
        "dataset.features=3",
        "dataset.n=8",
        "dataset.n_val=8",
        "dataset.length=3",
        "model.hidden=2",
        "optimizer=sgd",
    ]
    words += ["trainer.epochs=3", "trainer.on_divergence=record", "tracking=none"]
    cells = (("80", 0.1), ("c0", 1e200), ("40", 0.01))
    how = [(f"model.layers.rnn.cell.connections={'-'.join([rows] * 5)}", f"optimizer.lr={lr}", *words) for rows, lr in cells]
    jobs = [prepare(compose(each)) for each in how]
    on_device, on_host = (
        train([e.learner for e in jobs], [jobs[0].data], [0, 1, 2], xp=xp, dtype=np.float64) for xp in (Double(), np)
    )
    assert [o.status for o in on_device] == ["finished", "diverged", "finished"]
    for one, other in zip(on_device, on_host, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-12, nan_ok=True)


def test_a_component_with_strings_of_replicas_leaves_too():
    @dataclass(frozen=True)
    class Named:
        name: str | None = option(None, stackable=True)
        rate: float = option(1.0, stackable=True)

    xp = Double()
    whole = to_device(stack([Named("a", 1.0), Named("b", 2.0), Named(None, 3.0)]), xp)
    for keep in (np.array([True, False, True]), np.array([0, 2])):
        left = keep_replicas(whole, xp.asarray(keep))
        assert (left.name.tolist(), left.rate.get().tolist()) == (["a", None], [1.0, 3.0])


def test_free_memory_of_a_device_is_also_that_of_its_pool():
    assert free_memory(Double(free=100, pooled=60)) == 160


@pytest.mark.parametrize(("free", "replicas"), [(100, 1), (1000, 2), (4000, 10)])
def test_a_stack_is_as_wide_as_the_device_has_memory(free, replicas):
    assert widest(Footprint(step=1, whole=100), Double(free=free)) == replicas


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


def test_a_step_takes_only_random_draws_to_the_device():
    few, many = transfers(24), transfers(48)
    assert many[1] - few[1] == 24 + 24 // 3  # one mask of dropout a step, and the order of an epoch of three


def network(kind):
    """A small network and its data: launches do not depend on sizes."""
    get, rng, layers = discover().get, np.random.default_rng(0), {}
    relu = get("layer", "activation")(get("activation", "relu")())
    x, y, axes, shape = rng.standard_normal((32, 6)), rng.integers(0, 3, 32), ("NF", "N"), {"x": (6,), "y": ()}
    if kind == "mlp":
        layers = {"a": get("layer", "dense")(5), "f": relu, "b": get("layer", "dense")(4), "g": relu}
    elif kind == "cnn":
        x, axes, shape = rng.standard_normal((32, 1, 12, 12)), ("NCHW", "N"), {"x": (1, 12, 12), "y": ()}
        for i in (1, 2):
            layers |= {f"conv{i}": get("layer", "conv2d")(2), f"f{i}": relu, f"pool{i}": get("layer", "max_pool")()}
        layers["flat"] = get("layer", "flatten")()
    else:
        x, y, axes, shape = rng.standard_normal((32, 50, 3)), rng.integers(0, 3, (32, 50)), ("NTF", "NT"), {"x": (None, 3)}
        layers, shape = {"rnn": get("layer", "recurrent")(get("cell", "lstm")(3))}, shape | {"y": (None,)}
    layers["out"] = get("layer", "dense")(3)
    data = Data({"train": {"x": x, "y": y}}, {"x": Field(axes[0]), "y": Field(axes[1], "label", 3)})
    head = Head(get("loss", "softmax_cross_entropy")(), "out")
    return Network(layers, shape), head, data


def of_a_step(kind, replicas, tier="array"):
    """Launches, transfers of pointers, and what makes the host wait, in one step."""
    (net, head, data), found = network(kind), []
    for steps in (1, 2):
        xp, options = Double(), TrainerOptions(steps=steps, batch_size=8, train_metrics=False, validate_every=99)
        adam, constant = discover().get("optimizer", "adam")(), discover().get("schedule", "constant")()
        member = Learner(net, {"loss": head}, adam, constant, options)
        train([member] * replicas, [data], list(range(replicas)), xp=xp, tier=tier)
        found.append(np.array([xp.launches.total(), xp.pointers, xp.to_host]))
    return (found[1] - found[0]).tolist()


@pytest.mark.parametrize(
    ("kind", "replicas", "most"),
    [("mlp", 1, 70), ("mlp", 32, 78), ("cnn", 1, 138), ("cnn", 32, 148), ("lstm", 1, 2017), ("lstm", 32, 2071)],
)
def test_a_step_launches_no_more_than_it_did(kind, replicas, most):
    launches, pointers, waits = of_a_step(kind, replicas)
    assert launches <= most  # where it is less, write the new number above
    assert pointers <= (6 if kind == "lstm" else 0)
    assert waits == 0


LSTM = pytest.param("lstm", 419, marks=pytest.mark.slow)


@pytest.mark.parametrize(("kind", "most"), [("mlp", 22), ("cnn", 51), LSTM])
@pytest.mark.parametrize("whole", [False, True])
def test_a_compiled_step_launches_no_more_than_it_did(kind, most, whole, monkeypatch, compiled_quickly):
    monkeypatch.setattr(passes, "takes_whole_steps", lambda *_: whole)
    monkeypatch.setattr(shim, "FLAGS", ("-O0", *shim.FLAGS[1:]))
    launches, pointers, waits = of_a_step(kind, 2, "compiled")
    assert launches <= (0 if whole else most)  # of a further step: one launch takes all steps up to a reading
    assert (pointers, waits) == (0, 0)


@pytest.mark.parametrize("scale", [1.0, 1e25])
def test_norms_on_a_device_are_those_of_the_host(scale):
    arena = Arena({("a", "W"): (2, 3), ("a", "b"): (1, 3), ("b", "W"): (3, 1)})
    g = (np.random.default_rng(0).standard_normal((4, 12)) * scale).astype(np.float32)
    xp = Double()
    found = arena.norms(xp.asarray(g), xp)
    assert found.dtype == np.float32
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(found.get(), arena.norms(g, np), rtol=1e-6)


@pytest.mark.parametrize(
    ("a", "b"), [((1, 4, 3), (1, 3, 2)), ((3, 4, 3), (3, 3, 2)), ((1, 4, 3), (3, 3, 2)), ((4, 3), (1, 3, 2))]
)
def test_products_and_row_sums_on_a_device_are_those_of_the_host(a, b):
    xp, rng = Double(), np.random.default_rng(0)
    one, other = rng.standard_normal(a), rng.standard_normal(b)
    np.testing.assert_allclose(product(xp.asarray(one), xp.asarray(other)).get(), one @ other, rtol=1e-13)
    np.testing.assert_allclose(row_sums(xp.asarray(one), xp).get(), one.sum(-2, keepdims=True), rtol=1e-13)


@pytest.mark.parametrize("keys", [(0, 0), (0, 1, 2)])
def test_the_order_of_an_epoch_is_brought_to_the_device_once(keys):
    rng, xp = np.random.default_rng(0), Double()
    data = Data({"train": {"x": rng.standard_normal((20, 3))}}, {"x": Field("NF")})
    there, here = (DataLoader([data], "train", m, np.float64) for m in (xp, np))
    before = xp.to_device
    for epoch in (1, 2):
        sampler = BatchSampler(20, 6, keys, epoch)
        for rows in sampler:
            np.testing.assert_array_equal(there.batch(rows)["x"].get(), here.batch(rows)["x"])
            np.testing.assert_array_equal(there.batch(rows[:, 1:3])["x"].get(), here.batch(rows[:, 1:3])["x"])
    assert xp.to_device - before == 2
    sampler.keep_replicas(np.arange(len(keys)) == 1)
    rows = sampler.at(6)
    np.testing.assert_array_equal(there.batch(rows)["x"].get(), here.batch(rows)["x"])


# ---- device=auto


WIDE = ["dataset=digits", "model.hidden=512", "trainer.batch_size=256", "trainer.steps=100000", "tracking=none"]


def prepared(monkeypatch, xp, *words):
    monkeypatch.setattr("framework.experiments.experiment.array_module", lambda device: np if device == "cpu" else xp)
    return prepare(compose([*WIDE, *words]))


@pytest.mark.parametrize(
    ("words", "replicas", "expected"),
    [
        ([], 1, True),
        (["trainer.steps=100"], 1, False),  # its start takes longer
        (["model.hidden=8", "trainer.batch_size=16"], 1, False),  # its launches take longer
        (["model.hidden=8", "trainer.batch_size=16"], 512, True),  # and do not depend on the width of the stack
        (["model=lstm", "dataset=weather", "model.hidden=8"], 1, False),
        (["model=lstm", "dataset=weather", "model.hidden=8"], 512, True),
        (["trainer.early_stopping.patience=1"], 1, False),  # few steps are certain
    ],
)
def test_auto_takes_a_gpu_where_it_saves_time(words, replicas, expected):
    e = prepare(compose([*WIDE, "device=cpu", *words]))
    assert is_worth_a_gpu(e.learner, e.data, replicas, threads=1) is expected


def test_more_cores_leave_less_to_a_gpu():
    e = prepare(compose([*WIDE, "device=cpu"]))
    assert [is_worth_a_gpu(e.learner, e.data, 1, threads) for threads in (1, 64)] == [True, False]


@pytest.mark.parametrize(
    ("words", "trained_on_gpu"),
    [(["trainer.steps=2"], False), (["trainer.steps=2", "device=gpu"], True), (["trainer.steps=2", "device=cpu"], False)],
)
def test_a_small_run_takes_the_gpu_only_on_request(words, trained_on_gpu, monkeypatch, caplog):
    device._report.cache_clear()
    xp = Double()
    experiment = prepared(monkeypatch, xp, "model.hidden=2", *words)
    with caplog.at_level(logging.INFO, "stackprop"):
        for _ in range(2):
            experiment.train([experiment.learner])
            train([experiment.learner], [experiment.data], [0], **experiment.how)
    assert (xp.launches.total() > 0) is trained_on_gpu
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("device")]
    assert len(lines) == ("device=cpu" not in words and not trained_on_gpu)


def test_parts_of_a_stack_train_on_the_device_of_the_whole(monkeypatch):
    seen = []
    monkeypatch.setattr(device, "is_worth_a_gpu", lambda learner, data, replicas, threads: seen.append(replicas) or False)
    e = prepared(monkeypatch, Double(), "model.hidden=2", "trainer.steps=1")
    train_sliced([e.learner] * 2, [e.data], [0, 1], **e.how, replicas=40)
    assert seen == [40]


def test_a_resumed_training_stays_compiled_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(device, "is_worth_a_gpu", lambda *_: True)
    tiers = ("compiled", "array", "cuda")
    found = [device.chosen_device("gpu", [None], [None], 1, 1, ({}, {"tier": tier})) for tier in tiers]
    assert found == [np, "gpu", "gpu"]


def test_auto_compiles_for_the_cpu_beside_a_gpu(monkeypatch):
    assert prepared(monkeypatch, Double(), "tier=compiled").xp is np
    xp = Double()
    assert prepared(monkeypatch, xp, "tier=compiled", "device=gpu").xp is xp  # and CUDA C on request


@pytest.mark.gpu
@pytest.mark.parametrize("way", ["array", "steps", "turns"])
def test_a_stack_trains_on_a_gpu_as_on_the_host(way, monkeypatch):
    monkeypatch.setattr(passes, "takes_whole_steps", lambda *_: way == "steps")
    try:
        xp = gpu_module()
    except DeviceError as error:
        pytest.skip(str(error))
    members = [learner("adam", lr) for lr in (0.01, 0.02)]
    tier = "array" if way == "array" else "compiled"
    on_gpu, on_host = (train(members, [DATA], [0, 1], xp=m, dtype=np.float64, tier=tier) for m in (xp, np))
    for one, other in zip(on_gpu, on_host, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-9)


OWN = {"to_host", "to_device", "bare", "wrapped", "launch", "launches", "elementwise", "call", "offered", "scan"}


def test_cupy_has_every_name_that_components_use():
    cupy = pytest.importorskip("cupy")
    import re
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    text = "\n".join(p.read_text() for folder in ("framework", "plugins") for p in (root / folder).rglob("*.py"))
    names = set(re.findall(r"\bxp\.(\w+)", text)) - OWN
    assert [name for name in sorted(names) if not hasattr(cupy, name)] == []
