"""The wheel holds everything: components, presets, completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the installed wheel, before everything else on the path."""
    to = tmp_path_factory.mktemp("wheel")
    subprocess.run(["make", "--silent", "wheel", f"TO={to}", f"BIN={Path(sys.executable).parent}"], check=True, cwd=ROOT)
    (wheel,) = to.glob("*.whl")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", to / "site", wheel]
    subprocess.run(command, check=True)
    return to / "site"


def python(installed, place, *arguments, **environment):
    env = {**os.environ, "PYTHONPATH": str(installed), **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_it_trains_with_its_own_files_in_another_folder(installed, tmp_path):
    code = "import framework, framework_layers; print(framework.__file__, framework_layers.__file__)"
    where = python(installed, tmp_path, "-c", code).stdout.split()
    assert all(path.startswith(str(installed)) for path in where)
    done = python(installed, tmp_path, "-m", "framework.cli.command_line", "model=mlp2", "debug=fast")
    assert done.returncode == 0, done.stderr
    assert "val/accuracy" in done.stdout


def test_it_has_the_command_and_both_names(installed, tmp_path):
    done = python(installed, tmp_path, installed / "bin" / "stackprop", "describe", "tanh")
    assert (done.returncode, done.stderr) == (0, "")
    code = "import stackprop.sklearn as s, framework, stackprop; print(stackprop is framework, s.__file__)"
    done = python(installed, tmp_path, "-c", code)
    assert done.stdout.strip() == f"True {installed / 'framework' / 'sklearn.py'}"


def test_presets_and_completion_come_with_it(installed, tmp_path):
    assert "mlp2" in python(installed, tmp_path, "-m", "framework.cli.command_line", "--help").stdout
    done = python(
        installed, tmp_path, "-m", "framework.cli.command_line", "-sc", "query=bash", COMP_LINE="stackprop model=ml"
    )
    assert "model=mlp2" in done.stdout


def test_it_writes_plugins_whose_tests_pass(installed, tmp_path):
    done = python(installed, tmp_path, "-m", "framework.cli.command_line", "new-plugin", "mine", "--kind", "schedule")
    assert done.returncode == 0, done.stderr
    install = ("-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "site", "./stackprop-mine")
    assert python(installed, tmp_path, *install).returncode == 0
    sites = f"{tmp_path / 'site'}{os.pathsep}{installed}"
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    done = python(sites, tmp_path / "stackprop-mine", *command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_type_checkers_read_its_types(installed):
    packages = {path.parent.name for path in installed.glob("*/__init__.py")} - {"hydra_plugins"}
    assert {path.parent.name for path in installed.glob("*/py.typed")} == packages > {"framework", "framework_layers"}


def test_it_holds_no_tests_and_no_runs(installed):
    assert {p.name for p in installed.iterdir() if not p.name.startswith(".") and p.suffix != ".dist-info"} == {
        "bin",
        "framework",
        "hydra_plugins",
        "stackprop",
        *(p.name for p in (ROOT / "plugins").glob("framework_*")),
    }
