"""Configurations that nobody would write: each is run or refused in words, and none ends in a traceback.

Hypothesis draws choices of the groups and values for the options that the chosen components declare: valid ones, ones at
and beyond their bounds, and ones of another kind altogether. A configuration that fails is made as short as possible.
"""

import contextlib
import functools
import io
import itertools
import shutil
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import yaml
from effort import EFFORT
from hydra.types import RunMode
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from framework.api import _hydra
from framework.cli import command_line as cli
from framework.config.composition import settings_of_trees
from framework.config.options import TrainerOptions
from framework.config.presets import KINDS_OF, choices
from framework.core.options import declared
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.registry.discovery import discover
from framework.registry.registry import conf_dir
from framework.sweeps.composer import JobComposer
from framework.sweeps.job_dir import place_of
from framework.training.trainer import train

ODD_VALUES = """
null true '' abc auto all -1 0 1 2 3 7 0.5 1.5 1e3 1e30 -1e-30 1e-320 nan inf -inf 9223372036854775808
[] [1] [[]] [1,x] [null] {} {type:relu} {type:null} {type:dense,units:3} {type:lstm,units:2,after:hidden} {a:{b:1}}
relu adam digits hidden y loss ${nothing} ${model} ${seed} ${model.hidden} ??? é '?' 0x10 1_000 1e . '~' -
"""
MISTYPED = (*[""] * 60, ".type", ".units", ".nothing", "._target_", ".layers", ".0", "r")
SIGNS = (*[""] * 12, "+", "++", "~")
EACH = 10  # commands with the same choices, which are composed once
CHOSEN = (
    *("activation", "augmentation", "dataset", "initializer", "loss", "model", "optimizer", "probes"),
    *("regularizer", "schedule", "study"),
)
FILES = {"csv": "x.csv", "npz": "x.npz", "text": "x.txt", "series": "x.csv"}
# Always the last words: a few updates on a few examples.
QUICK = ("tracking=none", "trainer.steps=2", "threads=1", "tier=array")


def fitting(hint):
    """Some values that an option of this type may take."""
    if get_origin(hint) is Literal:
        return [str(value).lower() for value in get_args(hint)]
    own = {int: ["1", "2", "5"], float: ["0.1", "0.9", "2.5"], bool: ["true", "false"]}.get(hint, [])
    return own + [value for part in get_args(hint) for value in fitting(part)]


def options(kind, name, path):
    """(key, values that fit) for each option of a component."""
    if name not in discover().names(kind):
        return []
    return [(f"{path}.{key}", fitting(hint)) for key, (hint, _) in declared(discover().get(kind, name)).items()]


@functools.cache
def keys_of(group, name):
    """(key, values that fit) for whatever a choice of a group brings."""
    if group != "model":
        within = f"{group}.{name}" if group in ("augmentation", "probes", "regularizer") else group
        return options(KINDS_OF[group], name, within)
    preset = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text())
    tree = preset.get("model", preset)  # some presets set more than the model
    found = [(f"model.{key}", ["3", "5"]) for key in tree if key != "layers"]
    for layer, node in tree["layers"].items():
        path = f"model.layers.{layer}"
        found += [(path, []), (f"{path}.from", list(tree["layers"])), (f"{path}.after", list(tree["layers"]))]
        found += options("layer", node.get("type", ""), path)
    return found


@functools.cache
def keys_of_any():
    """(key, values that fit) of what every configuration has."""
    trainer = [(f"trainer.{key}", fitting(hint)) for key, (hint, _) in declared(TrainerOptions).items()]
    return [
        *trainer,
        ("trainer.early_stopping.patience", ["1"]),
        ("trainer.early_stopping.monitor", ["val/loss", "val/accuracy"]),
        ("trainer.bptt.chunk", ["2"]),
        ("dataset.seed", ["3"]),
        ("dataset.scale", ["standard", "minmax"]),
        ("seed", ["3"]),
        ("dtype", ["float64"]),
        ("metrics", ["[accuracy]", "[loss,rmse]"]),
        ("heads", []),
        ("heads.loss.mask", ["mask"]),
        ("heads.loss.weight", ["2"]),
        ("figure.y", ["val/loss"]),
        ("model.init_from", ["last"]),
        ("plugins", ["[]"]),
    ]


@st.composite
def values(draw, known):
    """Words that change up to four keys."""
    words = []
    for _ in range(draw(st.integers(0, 4))):
        key, fit = draw(st.sampled_from(known))
        sign, wrong = draw(st.sampled_from(SIGNS)), draw(st.sampled_from(MISTYPED))
        value = draw(st.sampled_from(fit if fit and draw(st.booleans()) else ODD_VALUES.split()))
        words.append(f"~{key}" if sign == "~" else f"{sign}{key}{wrong}={value}")
    return words


@st.composite
def requests(draw):
    """The words of a few commands: some choices, then values of their options and of what every configuration has."""
    chosen = draw(st.lists(st.sampled_from(CHOSEN), max_size=4, unique=True))
    names = [draw(st.sampled_from(choices()[group])) for group in chosen]
    known = [*keys_of_any(), *itertools.chain(*map(keys_of, chosen, names))]
    words = [f"{group}={name}" for group, name in zip(chosen, names, strict=True)]
    return [[*words, *draw(values(known))] for _ in range(EACH)]


@pytest.fixture(scope="module")
def composer(tmp_path_factory):
    """What composes the jobs of a sweep, in a folder of its own with a few files of data."""
    place = tmp_path_factory.mktemp("odd")
    (place / "x.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{i % 3}\n" for i in range(40)))
    (place / "x.txt").write_text("to be or not to be, that is the question\n" * 20)
    rng = np.random.default_rng(0)
    np.savez(place / "x.npz", x=rng.normal(size=(40, 3)), y=rng.integers(0, 3, 40))
    with pytest.MonkeyPatch.context() as patch, _hydra([], True, (), multirun=True) as (hydra, words, _):
        patch.chdir(place)
        master = hydra.compose_config("config", words, run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        yield JobComposer(hydra.config_loader, master)


def answered(composer, words):
    """The exit status of a job with these words, and what it says."""
    said = io.StringIO()
    files = [f"dataset.path={file}" for kind, file in FILES.items() if f"dataset={kind}" in words]
    small = [] if any(word.startswith("dataset=") for word in words) else ["dataset=sine"]

    def job():
        made = composer.job([*small, *words, *files, *QUICK], 0)
        experiment = prepare(settings_of_trees(made.resolved, made.task))
        if experiment.settings.study is not None:
            shutil.rmtree("run", ignore_errors=True)
            run(experiment, place_of("run", words))
        else:  # what a run leaves, figures above all, would take most of the time
            train([experiment.learner], [experiment.data], [experiment.settings.seed], **experiment.how)
        return 0

    with contextlib.redirect_stderr(said), np.errstate(all="ignore"):
        return cli.guarded(job), said.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2 * EFFORT))  # of a hundred commands
def test_odd_configurations_are_run_or_refused(part, composer):
    @seed(part)
    @settings(max_examples=100 // EACH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def each(commands):
        for words in commands:
            status, said = answered(composer, words)
            assert said.startswith({0: "", 1: "stackprop: the run failed: ", 2: "stackprop: "}[status])

    each()
