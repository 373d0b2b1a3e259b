"""Steps as CUDA C: the numbers of the array tier, few launches, and what the GPU's compiler accepts.

The source runs on the processor, as C whose threads are fibers (framework/testing/shim.py)."""

import ctypes
import importlib.util
import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from networks import learner, mlp, regression
from tiers import Noisy, agree, both
from untraceable import Curious

from framework import Data, Field, Head, Network, discover, train
from framework.config.options import Bptt, EarlyStopping
from framework.core.errors import TierError
from framework.core.random import generator, philox_key, uniform
from framework.inference.evaluation import HeadMetric
from framework.testing import cupy_limits, shim
from framework.testing.double import Double
from framework.testing.shim import DivergedError
from framework.training.compiled.cuda import passes, program
from framework.training.compiled.cuda.products import Products, Shape
from framework.training.compiled.cuda.source import PHILOX, PREAMBLE
from framework.training.compiled.cuda.trainer import CudaTrainer
from framework.training.compiled.cuda.turns import Span, Unit, in_turns
from framework.training.device import is_worth_cuda
from framework.training.step import TrainState

get = discover().get
DATA = regression(20, val=10)


@pytest.fixture(autouse=True)
def unoptimised(monkeypatch):
    """The same arithmetic, compiled in less time."""
    monkeypatch.setattr(shim, "FLAGS", ("-O0", *shim.FLAGS[1:]))


def choose(monkeypatch, whole):
    monkeypatch.setattr(passes, "takes_whole_steps", lambda *_: whole)


def on_gpu(members, data, tolerance=1e-9, **how):
    """The GPU gives the numbers of the array tier. Returns the device."""
    xp = Double()
    agree(members, data, tolerance, ways=({"tier": "array"}, {"tier": "compiled", "xp": xp}), **how)
    return xp


def classified(nodes, axes, shape, classes=3, n=12, times=(), **options):
    """A learner of labels with Adam and its data: axes "NF", "NCHW" or "NTF"."""
    rng = np.random.default_rng(0)
    data = {
        split: {"x": rng.standard_normal((n, *times, *shape)), "y": rng.integers(0, classes, (n, *times))}
        for split in ("train", "val")
    }
    fields = {"x": Field(axes), "y": Field("NT" if times else "N", "label", classes)}
    inputs = {"x": (None, *shape), "y": (None,)} if times else {"x": shape, "y": ()}
    head, adam = Head(get("loss", "softmax_cross_entropy")(), list(nodes)[-1]), get("optimizer", "adam")()
    member = learner(Network(nodes, inputs), adam, **{"batch_size": 5, "epochs": 2, **options})
    member = replace(member, heads={"loss": head}, measures={"accuracy": HeadMetric(get("metric", "accuracy")(), "loss")})
    return member, Data(data, fields)


def convolutions():
    relu = get("layer", "activation")(get("activation", "relu")())
    nodes = {"conv": get("layer", "conv2d")(2), "f": relu, "pool": get("layer", "max_pool")()}
    return classified({**nodes, "flat": get("layer", "flatten")(), "out": get("layer", "dense")(3)}, "NCHW", (1, 6, 6))


def recurrent(**options):
    nodes = {"rnn": get("layer", "recurrent")(get("cell", "lstm")(3)), "out": get("layer", "dense")(3)}
    return classified(nodes, "NTF", (2,), times=(5,), **options)


def stack():
    """Replicas that differ in their rate and their dropout, with penalties and clipping."""
    adam, l2, dense = get("optimizer", "adam"), get("regularizer", "l2"), get("layer", "dense")
    found = []
    for r in range(3):
        layers = {"hidden": dense(9), "drop": get("layer", "dropout")(0.5 + 0.1 * r), "out": dense(2)}
        how = {"regularizers": (l2(strength=0.01 * r),), "clip_norm": 0.5, "batch_size": 6, "epochs": 3}
        found.append(learner(Network(layers, DATA.shapes()), adam(lr=0.01 + 0.01 * r), **how))
    return found, DATA


KINDS = {
    "replicas differ": stack,
    "convolutions": lambda: ([convolutions()[0]], convolutions()[1]),
    "loops over time": lambda: ([recurrent()[0]], recurrent()[1]),
}


@pytest.mark.parametrize("whole", [True, False], ids=["steps", "turns"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_numbers_of_the_array_tier(kind, whole, monkeypatch):
    choose(monkeypatch, whole)
    on_gpu(*KINDS[kind]())


def test_sequences_go_on_in_chunks(monkeypatch):
    choose(monkeypatch, True)
    member, data = recurrent(bptt=Bptt(chunk=3), batch_size=6, train_metrics=False, validate_every=9)
    on_gpu([member] * 2, data)


def test_float32_agrees_to_its_own_precision(monkeypatch):
    choose(monkeypatch, True)
    on_gpu(*stack(), dtype="float32", tolerance=2e-5)


@dataclass(frozen=True)
class Jitter:
    """Adds noise to every example."""

    axes = ("NF",)

    def __call__(self, x, rng):
        return x + 0.1 * rng.standard_normal(x.shape)


def test_normal_numbers_and_augmented_examples_are_given(monkeypatch):
    choose(monkeypatch, True)
    layers = {"noise": get("layer", "activation")(Noisy()), "out": get("layer", "dense")(2)}
    member = learner(Network(layers, DATA.shapes()), batch_size=5, epochs=2)
    members = [member, replace(member, augmentations={"jitter": Jitter()})]
    for each in members:
        on_gpu([each] * 2, DATA)
        on_gpu([each] * 2, DATA, keys=[3, 3])


def test_replicas_leave_and_the_others_go_on(monkeypatch):
    choose(monkeypatch, True)
    stop = EarlyStopping(patience=1)
    members = [
        learner(mlp(4, 2), get("optimizer", "sgd")(lr=lr), early_stopping=stop, epochs=9) for lr in (0.5, 1e200, 1e-4)
    ]
    (one, _), (other, _) = both(members, DATA, ways=({"tier": "array"}, {"tier": "compiled", "xp": Double()}))
    assert [(o.status, o.step, o.best_epoch) for o in other] == [(o.status, o.step, o.best_epoch) for o in one]
    assert {o.status for o in other} >= {"diverged"}
    assert {o.tier for o in other} == {"cuda"}


def test_a_resumed_training_on_a_gpu_is_the_same_to_the_bit(monkeypatch):
    choose(monkeypatch, True)
    members, data = stack()
    kept = {}

    def save(arrays, plain):
        kept[plain["step"]] = ({name: a.copy() for name, a in arrays.items()}, plain)

    members = [replace(each, options=replace(each.options, checkpoint_every=4)) for each in members]
    whole = train(members, [data], range(3), xp=Double(), tier="compiled", save=save)
    again = train(members, [data], range(3), xp=Double(), tier="auto", resume=kept[4])
    assert kept[4][1]["tier"] == again[0].tier == "cuda"
    for a, b in zip(whole, again, strict=True):
        assert all((b.weights[n][t] == w).all() for n, tensors in a.weights.items() for t, w in tensors.items())


def test_ten_thousand_networks_are_one_launch():
    xp, data = Double(), regression(8, features=1, outputs=1)
    member = learner(mlp(32, 1, features=1), batch_size=4, steps=4, validate_every=99, train_metrics=False)
    train([member] * 40, [data], range(40), xp=xp, tier="compiled")  # the number of replicas is that of blocks
    assert xp.launches["kernel"] == 1


def test_what_cannot_be_traced_is_rejected_on_a_gpu():
    nodes = {
        "hidden": get("layer", "dense")(4),
        "act": get("layer", "activation")(Curious()),
        "out": get("layer", "dense")(2),
    }
    member = learner(Network(nodes, DATA.shapes()), steps=2)
    with pytest.raises(TierError, match="a traced number has no truth value"):
        train([member], [DATA], [0], xp=Double(), tier="compiled")


def test_a_source_that_the_gpu_rejects_is_reported(monkeypatch):
    class Rejecting(Double):
        def RawModule(self, code, options=()):
            raise RuntimeError("step.cu(3): error: identifier is undefined\n1 error detected")

    with pytest.raises(TierError, match=r"the GPU's compiler failed: step\.cu\(3\): error: identifier is undefined"):
        train([learner(mlp(4, 2), steps=2)], [DATA], [0], xp=Rejecting(), tier="compiled")


@pytest.mark.parametrize("left_out", [1, 99])
def test_without_a_barrier_the_numbers_are_wrong(left_out, monkeypatch):
    """The check of these tests: threads that do not wait for each other are noticed."""
    choose(monkeypatch, True)
    wholes = program.Program.whole
    monkeypatch.setattr(program, "BARRIER", "/* turn */ __syncthreads();")
    monkeypatch.setattr(program.Program, "whole", lambda self: wholes(self).replace(program.BARRIER, "", left_out))
    with pytest.raises(AssertionError):
        on_gpu([learner(mlp(9, 2), batch_size=6, epochs=3)], DATA)


def test_barriers_that_some_threads_miss_are_noticed():
    source = f"{PREAMBLE}\nKERNEL run(int64_t *a) {{ if (threadIdx.x) __syncthreads(); a[threadIdx.x] = 1; }}"
    xp = Double()
    with pytest.raises(DivergedError):
        xp.RawModule(source).get_function("run")((1, 1), (4,), (xp.zeros(4, np.int64),))


def test_uniform_numbers_of_a_gpu_have_the_bits_of_numpy():
    call = "draw8(out + threadIdx.x * 8, threadIdx.x < 3 ? 8 : 5, threadIdx.x, keys, 5ull, 17ull);"
    xp = Double()
    source = f"{PREAMBLE}{PHILOX}\nKERNEL run(float *out, const uint64_t *keys) {{ {call} }}"
    out, keys = xp.zeros(29, np.float32), xp.asarray(np.array(philox_key((3, 1), "dropout"), np.uint64))
    xp.RawModule(source).get_function("run")((1, 1), (4,), (out, keys))
    assert (out.get() == uniform(generator((3, 1), "dropout", 17, 5), (29,))).all()


@pytest.mark.parametrize("threads", [4, 32, 256])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 20), (7, 3, 5), (33, 1, 9), (1, 70, 17), (20, 65, 33)])
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_any_shape(m, n, k, threads, turned):
    products, rng = Products(threads), np.random.default_rng(0)
    shape = Shape(m, n, k, (1, m) if turned else (k, 1), (1, k) if turned else (n, 1), n, "double")
    name, tiles = products.name(shape), products.tiles(shape)
    code = f"{PREAMBLE}{products.code()}\nKERNEL run(double *A, double *B, double *C) {{\n"
    code += f"SHARED double room[{products.scratch // 8}];\n"
    code += f"for (int t = 0; t < {tiles}; t++) {name}(A, B, C, t, (char *)room); }}"
    xp, a, b = Double(), rng.standard_normal((m, k)), rng.standard_normal((k, n))
    A, B = (xp.asarray(np.ascontiguousarray(x.T if turned else x)) for x in (a, b))
    C = xp.zeros((m, n))
    xp.RawModule(code).get_function("run")((1, 1), (threads,), (A, B, C))
    np.testing.assert_allclose(C.get(), a @ b, rtol=1e-12, atol=1e-12)


def unit(reads, writes):
    return Unit([Span(*each) for each in reads], [Span(*each) for each in writes], lambda: None)


def test_units_wait_only_for_what_they_need():
    units = [
        unit([], [("x", 0, 9)]),
        unit([], [("g", 0, 4)]),  # another part of the same memory
        unit([("x", 0, 9)], [("g", 5, 9)]),
        unit([("g", 2, 6)], [("n", 0, 0)]),
        unit([], [("x", 3, 3)]),  # overwrites what the third unit reads
    ]
    assert [[units.index(each) for each in turn] for turn in in_turns(units)] == [[0, 1], [2], [3, 4]]


def test_auto_compiles_where_enough_launches_are_saved():
    assert not is_worth_cuda(learner(mlp(5, 2), steps=1000), DATA, 1)
    assert is_worth_cuda(learner(mlp(5, 2), steps=100_000), DATA, 1)
    assert not is_worth_cuda(learner(mlp(4000, 4000, 2), batch_size=20, steps=100_000), DATA, 1)  # cuBLAS is faster


def test_small_networks_take_whole_steps_and_large_ones_turns():
    found = {}
    for width in (8, 3000):
        member = learner(mlp(width, width, 2), batch_size=20, steps=2)
        stack = TrainState([member], [DATA], [0], Unlaunched(), np.float32)
        (step,) = CudaTrainer(stack, []).steps.values()
        found[width] = not step.plan
    assert found == {8: True, 3000: False}


def test_a_source_names_nothing_that_differs_from_run_to_run(monkeypatch):
    texts = []
    monkeypatch.setattr(Double, "RawModule", lambda self, code, options=(): texts.append(code) or shim.RawModule(self, code))
    for _ in range(2):
        train([learner(mlp(4, 2), steps=2)], [regression(20)], [0], xp=Double(), tier="compiled")
    assert texts[: len(texts) // 2] == texts[len(texts) // 2 :]
    assert not re.search(r"0x[0-9a-f]{9,}(?!ull)", texts[0], re.I)


class Unlaunched(Double):
    """A device whose modules are not compiled."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def RawModule(self, code, options=()):
        self.texts.append(code)
        return SimpleNamespace(get_function=lambda name: None)


def nvrtc():
    """NVIDIA's compiler, which needs no GPU."""
    for name in ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", *installed()):
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    return None


def installed():
    """The libraries of NVIDIA's packages for Python."""
    found = importlib.util.find_spec("nvidia")
    return [str(f) for at in found.submodule_search_locations or () for f in Path(at).rglob("libnvrtc.so*")] if found else []


def compiled_for(library, text, architecture):
    """What NVRTC says about a source."""
    made, size = ctypes.c_void_p(), ctypes.c_size_t()
    library.nvrtcCreateProgram(ctypes.byref(made), text.encode(), b"step.cu", 0, None, None)
    options = [option.encode() for option in (*passes.OPTIONS, f"--gpu-architecture={architecture}")]
    failed = library.nvrtcCompileProgram(made, len(options), (ctypes.c_char_p * len(options))(*options))
    library.nvrtcGetProgramLogSize(made, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(made, log)
    library.nvrtcDestroyProgram(ctypes.byref(made))
    return log.value.decode() if failed else ""


@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False], ids=["steps", "turns"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_compiler_of_a_gpu_accepts_the_source(kind, whole, monkeypatch):
    library = nvrtc()
    if library is None:
        pytest.skip("NVRTC is not installed (pip install nvidia-cuda-nvrtc-cu12)")
    choose(monkeypatch, whole)
    monkeypatch.setattr(cupy_limits, "THREADS", 256)
    members, data = KINDS[kind]()
    xp = Unlaunched()
    texts = xp.texts
    CudaTrainer(TrainState(members, [data], range(len(members)), xp, np.float32), [])
    architectures = ("sm_75", "sm_90")
    assert [compiled_for(library, text, each) for text in texts[:1] for each in architectures] == [""] * len(architectures)
