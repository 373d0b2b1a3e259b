"""Errors in the code of a plugin: a message with its component and line, and no traceback."""

import pytest
from shell import stackprop

PLUGIN = '''
from dataclasses import dataclass
import numpy as np
from framework import hookimpl, option


@dataclass(frozen=True)
class Strict:
    """y = x."""
    k: float = option(1.0, help="a number")
    def __post_init__(self):
        assert self.k > 0, "k must be positive"
        {}["zero" if self.k == 2 else 1 / (self.k - 3)] if self.k in (2, 3) else None
    def forward(self, x, ctx):
        return x, None
    def backward(self, cache, dy, ctx):
        return dy


@dataclass(frozen=True)
class Torn:
    """Data that cannot be read."""
    how: str = option("", help="how it fails")
    def load(self, rng):
        if self.how == "file":
            np.loadtxt("nix.txt")
        raise RuntimeError("out of paper")


@dataclass(frozen=True)
class Shapeless:
    """y = x."""
    how: str = option("", help="how it fails")
    def init(self, rng, in_shape):
        return {"list": {"W": [[1.0]]}, "nan": {"W": np.full((1, 1), np.nan)}}[self.how], in_shape
    def forward(self, p, x, ctx):
        return x, None
    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy, {}


@dataclass(frozen=True)
class Halved:
    """y = x."""
    def init(self, rng, in_shape):
        return {}, in_shape
    def forward(self, p, x, ctx):
        return x[..., :1], None
    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy, {}


@dataclass(frozen=True)
class Halfway:
    """y = x."""
    def init(self, rng, in_shape):
        return {}, in_shape
    def forward(self, p, x, ctx):
        return x, None


@dataclass(frozen=True)
class Short:
    """L = 0."""
    def __call__(self, y, t):
        return 0, y


@dataclass(frozen=True)
class Loud:
    """A verb."""
    def __call__(self, arguments):
        return len(None)


@hookimpl
def register_activations(register):
    register("strict", Strict)


@hookimpl
def register_datasets(register):
    register("torn", Torn)


@hookimpl
def register_layers(register):
    register("shapeless", Shapeless)
    register("halved", Halved)
    register("halfway", Halfway)


@hookimpl
def register_losses(register):
    register("short", Short)


@hookimpl
def register_commands(register):
    register("loud", Loud)
'''
FIRST = ["plugins=[mine.py]", "dataset=sine", "trainer.steps=2", "tracking=none"]


def layer(options):
    """The second layer of an MLP."""
    return ["model=mlp", f"model.layers.act={options}"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["activation=strict", "activation.k=-1"],
            "activation: 'strict' raises AssertionError: k must be positive (mine",
        ),
        (["activation=strict", "activation.k=2"], "activation: 'strict' raises KeyError: 'zero' (mine.py, line 13)"),
        (["activation=strict", "activation.k=3"], "activation: 'strict' raises ZeroDivisionError: "),
        (["dataset=torn"], "dataset 'torn' raises RuntimeError: out of paper (mine.py, line 27)"),
        (["dataset=torn", "dataset.how=file"], "dataset 'torn' raises FileNotFoundError: nix.txt not found. (mine.py, line"),
        (layer("{type: shapeless}"), "model.layers.act (Shapeless): init: KeyError: '' (mine.py, line 35)"),
        (layer("{type: shapeless, how: list}"), "model.layers.act: init returns a list for the tensor 'W', not an array"),
        (layer("{type: shapeless, how: 'nan'}"), "model.layers.act: init returns NaN in the tensor 'W'"),
        (
            layer("{type: halved}"),
            "model.layers.act (Halved): init says (128,), so y is (1, 16, 128) for replicas (1,)",
        ),
        (["loss=short"], "loss.type: __call__ is called as __call__(y, t, ctx, mask), but Short takes (y, t)"),
        (["loud"], "plugin 'mine.py' raises TypeError: object of type 'NoneType' has no len() (mine.py, line 7"),
    ],
)
def test_an_error_of_a_plugin_is_one_line(folder, words, message):
    ended = stackprop(folder, *(FIRST if "=" in words[0] else []), *words, "plugins=[mine.py]")
    assert ended.returncode == 2
    assert ended.stderr.startswith("stackprop: ")
    assert message in ended.stderr.splitlines()[0 if words[0] != "model=mlp" else -1]
    assert "Traceback" not in ended.stderr


def test_a_sweep_that_cannot_start_leaves_no_folder(folder):
    ended = stackprop(folder, "-m", *FIRST, "activation=strict", "activation.k=-1", "seed=0,1")
    assert ended.returncode == 2
    assert "AssertionError: k must be positive" in ended.stderr
    assert not list(folder.glob("runs/*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("halfway", "Halfway has no method 'backward', which every layer needs: backward(p, cache, dy, ctx, need_dx)"),
        ("short", "__call__ is called as __call__(y, t, ctx, mask), but Short takes (y, t)"),
    ],
)
def test_check_of_what_cannot_be_called_is_one_line(folder, name, message):
    ended = stackprop(folder, "check", name, "plugins=[mine.py]")
    assert ended.returncode == 1
    assert ended.stdout.count("AssertionError") == 1
    assert f"FAILED  declaration: AssertionError: {message}" in ended.stdout


def test_the_traceback_is_shown_on_request(folder):
    ended = stackprop(folder, "loud", "plugins=[mine.py]", HYDRA_FULL_ERROR="1")
    assert "Traceback" in ended.stderr
