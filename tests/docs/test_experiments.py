"""The presets that sweep by themselves, and the pages that show what they found."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from framework.analysis.comparison import read_jobs, swept
from framework.config.composition import compose, install
from framework.experiments.experiment import prepare
from framework.registry.registry import conf_dir

ROOT = Path(__file__).resolve().parents[2]
PRESETS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((conf_dir() / "experiment").glob("*.yaml"))}
SWEEPS = [name for name, preset in PRESETS.items() if "hydra" in preset]
STUDIES = [name for name in PRESETS if name not in SWEEPS]  # of one run
PAGES = {path: path.read_text() for path in sorted((ROOT / "docs" / "lecture-notes" / "claims").glob("*.md"))}
COMMANDS = [line for text in PAGES.values() for line in re.findall(r"^ {4}(stackprop .*)$", text, re.M)]


def params(name):
    return PRESETS[name]["hydra"]["sweeper"]["params"]


def values(key, value):
    """What a key of the sweep takes, as the shell would read it."""
    override = OverridesParser.create().parse_override(f"{key}={value}")
    return list(override.sweep_string_iterator()) if override.is_sweep_override() else [override.get_value_string()]


@pytest.mark.parametrize("name", SWEEPS)
def test_the_first_and_the_last_job_of_a_preset_go_together_with_their_data(name):
    swept = {key: values(key, value) for key, value in params(name).items()}
    for end in (0, -1):
        settings = compose([f"experiment={name}", *(f"{key}={found[end]}" for key, found in swept.items())])
        assert {settings.figure.x, settings.figure.panels} <= {"step", "layer", None, *swept}
        assert prepare(settings).steps > 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_it_asks(name):
    package, comment = (conf_dir() / "experiment" / f"{name}.yaml").read_text().splitlines()[:2]
    assert package == "# @package _global_"
    assert comment.startswith("# ")


@pytest.mark.parametrize("name", STUDIES)
def test_a_preset_that_does_not_sweep_is_a_study_and_on_its_page(name):
    assert compose([f"experiment={name}"]).study is not None
    assert f"stackprop experiment={name}" in (ROOT / "docs" / "guides" / "studies.md").read_text()


@pytest.mark.parametrize("name", SWEEPS)
def test_all_others_sweep(name):
    assert PRESETS[name]["hydra"]["mode"] == "MULTIRUN"
    assert any(len(values(key, value)) > 1 for key, value in params(name).items())


def test_every_preset_is_on_a_page_and_every_experiment_of_a_page_is_a_preset():
    index = PAGES[ROOT / "docs" / "lecture-notes" / "claims" / "index.md"]
    assert set(re.findall(r"\| `(\w+)` \|", index)) == set(SWEEPS)
    named = {name for text in PAGES.values() for name in re.findall(r"\bexperiment=(\w+)", text)}
    assert named == set(SWEEPS)


@pytest.mark.parametrize("command", [command for command in COMMANDS if re.search(r"experiment=\S+ \S", command)])
def test_what_a_page_changes_of_a_preset_is_valid(command):
    given = dict(word.split("=", 1) for word in shlex.split(command)[1:] if word != "-m")
    compose([f"{key}={values(key, value)[-1]}" for key, value in given.items()])


@pytest.mark.parametrize("remedy", sorted(path.stem for path in (conf_dir() / "experiment" / "remedy").glob("*.yaml")))
def test_every_remedy_of_overfitting_is_valid_and_swept(remedy):
    compose(["experiment=overfitting", f"experiment/remedy={remedy}"])
    assert remedy in values("experiment/remedy", params("overfitting")["experiment/remedy"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_of_a_page_exists_and_is_small(page):
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGES[page]):
        assert (page.parent / target).stat().st_size < 60_000


def test_every_picture_of_the_claims_is_shown():
    shown = {Path(target).name for text in PAGES.values() for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)}
    assert {path.name for path in (ROOT / "docs" / "images" / "claims").glob("*.png")} <= shown


def test_a_preset_decides_over_the_defaults_and_the_shell_over_the_preset():
    assert compose(["experiment=momentum_or_lookahead"]).dtype == "float64"
    assert compose(["experiment=forget_bias"]).tree["metrics"] == ["exact_match"]
    assert compose(["experiment=momentum_or_lookahead", "dtype=float32"]).dtype == "float32"


def test_a_key_given_in_the_shell_is_not_swept_by_the_preset_too():
    install()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = hydra_compose("config", ["experiment=dead_relu", "seed=7"], return_hydra_config=True)
    assert set(params("dead_relu")) - set(cfg.hydra.sweeper.params) == {"seed"}


def test_a_preset_sweeps_and_leaves_a_table_and_a_figure(tmp_path):
    words = ["experiment=momentum_or_lookahead", "optimizer=momentum,nag", "trainer.steps=5", "tracking=none"]
    command = [Path(sys.executable).with_name("stackprop"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (sweep,) = (tmp_path / "runs").glob("sweep-*")
    jobs = read_jobs(sweep)
    assert swept(jobs) == ["optimizer"]
    ends = {job.overrides["optimizer"]: job.series["weights/out/mean"][-1, 1] for job in jobs}
    assert ends == pytest.approx({"momentum": -0.02916, "nag": 0.0845}, abs=1e-5)  # the notes' two numbers
    assert "| momentum |" in (sweep / "table.md").read_text()
    assert (sweep / "comparison.png").exists()
