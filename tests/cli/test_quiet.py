"""What other libraries warn of or log does not reach a user of the command."""

import subprocess
import warnings

import pytest
from shell import COMMAND, QUICK, started

from framework.core.log import quiet_others, quiet_variables


def warned(module, category, text="old"):
    """The warnings that are shown of a module, where Python is to show all."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        quiet_others()
        warnings.warn_explicit(text, category, "file.py", 1, module=module)
    return [str(each.message) for each in found]


@pytest.mark.parametrize("module", ["mlflow.store.tracking", "alembic", "hydra.core", "sklearn.utils", "numpy", "optuna._x"])
@pytest.mark.parametrize("category", [DeprecationWarning, FutureWarning, UserWarning])
def test_warnings_of_other_libraries_are_not_shown(module, category):
    assert warned(module, category) == []


def test_of_our_own_code_only_signs_of_age_are_not_shown():
    assert warned("framework.core.log", DeprecationWarning) == []
    assert warned("framework_layers.dense", FutureWarning) == []
    assert warned("framework.core.log", UserWarning) == ["old"]


@pytest.mark.parametrize("module", ["my_layer", "mlflower", "stackprop_mine"])
def test_warnings_of_a_users_module_are_shown(module):
    assert warned(module, DeprecationWarning) == ["old"]


def test_importing_the_package_silences_nothing():
    code = "import warnings, stackprop, framework.api; print(any('mlflow' in str(f) for f in warnings.filters))"
    done = subprocess.run(
        [COMMAND[0].replace("stackprop", "python"), "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_the_level_of_logs_that_a_user_has_set_is_kept(monkeypatch):
    monkeypatch.delenv("MLFLOW_LOGGING_LEVEL", raising=False)
    assert quiet_variables() == {"MLFLOW_LOGGING_LEVEL": "ERROR"}
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    assert quiet_variables() == {"MLFLOW_LOGGING_LEVEL": "DEBUG"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("quiet")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["-m", *QUICK, "model.hidden=3,4", "hydra.launcher.n_jobs=2"], ["evaluate", "last"], ["report", "last"], ["doctor"]],
    ids=" ".join,
)
def test_a_command_prints_no_warnings_of_others(place, words):
    """Others do not either: a run and a sweep in tests/cli/test_shell.py, the UI in tests/cli/test_ui.py."""
    done = started(place, *words, PYTHONWARNINGS="default")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Warning" not in done.stdout
