"""Third-party plugins: the template, broken ones, single files, and the steps of docs/extending/plugins.md."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from framework.core.errors import RegistrationError
from framework.hooks import HOOKS
from framework.registry import discovery
from framework.registry.discovery import load_files
from framework.registry.registry import RESERVED, Registry
from framework.testing import conformance

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending" / "plugins.md").read_text()

HOOK = "from framework import hookimpl\n@hookimpl\ndef register_{kind}(register):\n    register('{name}', {component})\n"
MINE = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Mine:\n    {option}: int = 1\n"
BROKEN = {
    "gone": None,
    "torn": "import a_missing_module\n",
    "bare": MINE.format(option="n") + "def register_activations(register):\n    register('mine', Mine)\n",
    "typo": MINE.format(option="n") + HOOK.format(kind="activation", name="mine", component="Mine"),
    "reserved": MINE.format(option="share") + HOOK.format(kind="layers", name="mine", component="Mine"),
    "twice": MINE.format(option="n") + HOOK.format(kind="activations", name="relu", component="Mine"),
    "thawed": "class Mine:\n    pass\n" + HOOK.format(kind="metrics", name="mine", component="Mine"),
}


def install(source, site, place):
    """A distribution, built and unpacked into a folder."""
    copy = shutil.copytree(source, place / "source")  # builders remember a folder they have seen
    uv = Path(sys.executable).with_name("uv")
    installer = [uv, "pip", "install"] if uv.exists() else [sys.executable, "-m", "pip", "install", "--no-compile"]
    subprocess.run([*installer, "--quiet", "--no-deps", "--target", site, copy], check=True, timeout=120)


def fake(site, name, text):
    """A distribution of one module, as an installer would leave it."""
    about = site / f"stackprop_{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stackprop-{name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[stackprop]\n{name} = stackprop_{name}\n")
    if text is not None:
        (site / f"stackprop_{name}.py").write_text(text)


def run(words, place, *sites):
    """A command of a shell, with folders of distributions before everything else on the path."""
    path = os.pathsep.join(filter(None, [*map(str, sites), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "STACKPROP_RUNS": str(place / "runs")}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # those of this machine take a second to start
    return subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    site = tmp_path_factory.mktemp("template")
    install(ROOT / "plugins" / "template", site, tmp_path_factory.mktemp("build"))
    return site


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    site = tmp_path_factory.mktemp("broken")
    for name, text in BROKEN.items():
        fake(site, name, text)
    return site


# ---- distributions


def test_a_broken_plugin_is_named_with_its_reason_and_stops_nobody(template, broken, tmp_path):
    done = run(["stackprop", "plugins"], tmp_path, template, broken)
    assert done.returncode == 1
    told = re.search(r"\$ stackprop plugins\n(problem: .*?)```", PAGE, re.S)[1].splitlines()
    lines = [line for line in done.stderr.splitlines() if line.startswith("problem: ")]  # a warning depends on the machine
    for line, documented in zip(lines, told, strict=True):
        assert line.startswith(documented.removesuffix("...")), "docs/extending/plugins.md says it otherwise"
    for kind, name in (("layer", "scale"), ("activation", "swish"), ("optimizer", "signum")):
        row = rf"{kind} +template_{name} +stackprop_template +stackprop-template 0\.1\.0"
        assert re.search(row, done.stdout), done.stdout
    assert "framework_layers" in done.stdout


def test_the_others_train_beside_broken_ones(template, broken, tmp_path):
    words = ["activation=template_swish", "activation.beta=0.5", "optimizer=template_signum", "debug=fast", "tracking=none"]
    done = run(["stackprop", *words], tmp_path, template, broken)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_template_is_good(template, tmp_path):
    shutil.copytree(ROOT / "plugins" / "template" / "tests", tmp_path / "tests")
    done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], tmp_path, template)
    assert done.returncode == 0, done.stdout
    done = run(["stackprop", "check", "template_scale"], tmp_path, template)
    assert done.returncode == 0, done.stdout
    assert run(["stackprop", "plugins"], tmp_path, template).returncode == 0


def test_the_preset_of_the_template_is_found(template, tmp_path):
    done = run(["stackprop", "model=template", "model.hidden=8", "debug=fast", "tracking=none"], tmp_path, template)
    assert done.returncode == 0, done.stderr


HIJACK = (
    "from framework import hookimpl\n@hookimpl\ndef register_presets(register):\n    register('stackprop_hijack.conf')\n"
)


def presets(folder, **texts):
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.slow
def test_presets_of_others_cannot_change_ours(tmp_path):
    site, mine = tmp_path / "site", tmp_path / "mine"
    fake(site, "hijack", None)
    (site / "stackprop_hijack").mkdir()
    (site / "stackprop_hijack" / "__init__.py").write_text(HIJACK)
    evil = {"optimizer__adam": "type: adam\nlr: 9\n", "base": "evil: 1\n", "config": "evil: 1\n", "model__mlp": "evil: 1\n"}
    presets(site / "stackprop_hijack" / "conf", **evil, optimizer__slow="type: sgd\nlr: 1e-5\n")
    presets(mine, **evil, optimizer__slow="type: sgd\nlr: 2\n", optimizer__fast="type: sgd\nlr: 3\n")

    told = run(["stackprop", "plugins"], tmp_path, site)
    assert "preset        optimizer/slow           stackprop_hijack" in told.stdout
    refused = {line.split()[2] for line in told.stderr.splitlines() if " is ignored: " in line}
    assert refused == {"base.yaml", "config.yaml", "model/mlp.yaml", "optimizer/adam.yaml"}

    def chosen(optimizer):
        done = run(["stackprop", "--config-dir", mine, f"optimizer={optimizer}", "--cfg", "job"], tmp_path, site)
        assert done.returncode == 0, done.stderr
        assert "evil" not in done.stdout
        hidden = {Path(line.split()[2]).relative_to(mine).as_posix() for line in done.stderr.splitlines()}
        assert hidden == {*refused, "optimizer/slow.yaml"}
        return float(re.search(r"^optimizer:\n(?:  .*\n)*?  lr: (.*)", done.stdout, re.M)[1])

    assert {name: chosen(name) for name in ("adam", "slow", "fast")} == {"adam": 0.001, "slow": 1e-5, "fast": 3}


# ---- single files

SINGLE = """
from __future__ import annotations
from dataclasses import dataclass
from framework import hookimpl

@dataclass(frozen=True)
class Mine:
    units: int | None = 1

@hookimpl
def register_layers(register):
    register("mine", Mine)
"""


@dataclass(frozen=True)
class Good:
    """Somebody's component."""


@pytest.fixture
def fresh(monkeypatch):
    """A registry of its own, which load_files fills."""
    registry = Registry()
    registry.add("layer", "good", Good, "mod_a")
    monkeypatch.setattr(discovery, "discover", lambda: registry)
    return registry


def test_a_single_file_is_a_plugin(fresh, tmp_path):
    (tmp_path / "my-layer.py").write_text(SINGLE)
    load_files([tmp_path / "my-layer.py"])
    load_files([str(tmp_path / "my-layer.py")])  # once more changes nothing
    entry = fresh.entries["layer"]["mine"]
    assert entry.provider == str(tmp_path / "my-layer.py")
    assert entry.component().units == 1
    assert fresh.names("layer") == ["good", "mine"]


def test_two_files_of_one_name_are_two_modules(fresh, tmp_path):
    for folder, name in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plugin.py").write_text(SINGLE.replace('"mine"', f'"{name}"'))
    load_files([tmp_path / "a" / "plugin.py", tmp_path / "b" / "plugin.py"])
    one, two = (fresh.get("layer", name) for name in ("one", "two"))
    assert one is not two
    assert one.__module__ != two.__module__


FAULTS = {
    "x = (\n": ", line 1: SyntaxError: '(' was never closed",
    "\nimport a_missing_module\n": ", line 2: ModuleNotFoundError: No module named 'a_missing_module'",
    "def f():\n    1 / 0\n\nf()\n": ", line 2: ZeroDivisionError: division by zero",
    "raise SystemExit\n": ", line 1: SystemExit: ",
    "x = 1\n": ": it has no hook and registers nothing",
    SINGLE.replace("@hookimpl", ""): ": register_layers is never called; add the decorator @hookimpl",
    SINGLE.replace("_layers", "_layer"): ": unknown hook 'register_layer'; did you mean 'register_layers'?",
    SINGLE.replace("(frozen=True)", ""): "Mine'> is not a frozen dataclass; use @dataclass(frozen=True)",
    SINGLE + '    register("good", Mine)\n': "; 'mod_a' is used",
}


@pytest.mark.parametrize("text", FAULTS, ids=FAULTS.values())
def test_a_file_that_is_no_plugin_is_refused_with_its_name_and_the_reason(text, fresh, tmp_path):
    file, modules = tmp_path / "broken.py", set(sys.modules)
    file.write_text(text)
    with pytest.raises(RegistrationError) as told:
        load_files([file])
    assert str(file) in str(told.value)
    assert FAULTS[text] in str(told.value)
    assert fresh.names("layer") == ["good"]
    assert (fresh.files, fresh.problems) == ({}, [])
    file.write_text(SINGLE)  # put right, it can be loaded
    load_files([file])
    assert fresh.names("layer") == ["good", "mine"]
    assert len(set(sys.modules) - modules) == 1


def test_a_file_that_is_not_there_is_refused_with_the_nearest(fresh, tmp_path):
    (tmp_path / "my_layer.py").write_text(SINGLE)
    (tmp_path / "notes.txt").write_text(SINGLE)
    for name, why in {
        "my_leyer.py": "this file does not exist; did you mean 'my_layer.py'?",
        "no/where.py": "this file does not exist",
        ".": "this file does not exist",
        "notes.txt": "a plugin must be a Python file (.py)",
    }.items():
        with pytest.raises(RegistrationError) as told:
            load_files([tmp_path / name])
        assert str(told.value) == f"{tmp_path / name}: {why}"


# ---- docs/extending/plugins.md


def blocks(language):
    """(the file a block is to be saved as, if it says so, and the block)."""
    for before, text in re.findall(rf"([^\n]*)\n\n```{language}\n(.*?)```", PAGE, re.S):
        name = re.search(r"`([\w.]+)`:$", before)
        yield name and name[1], text


def commands(section):
    """The commands of a section of the page."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^\$ (.*)$", text, re.M)


@pytest.fixture
def student(tmp_path):
    """A folder with the files of the page."""
    for language in ("python", "toml"):
        for name, text in blocks(language):
            (tmp_path / name).write_text(text)
    return tmp_path


def follow(command, place, site):
    words = shlex.split(command)
    if words[:2] == ["pip", "install"]:
        return install(place, site, site.parent / "build")
    done = run([sys.executable, *words[1:]] if words[0] == "python" else words, place, site)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return None


@pytest.mark.slow
@pytest.mark.parametrize("command", commands("One file"))
def test_the_way_of_a_single_file(command, student):
    follow(command, student, student)


def test_the_kit_says_of_a_wrong_gradient_what_the_page_says(student):
    names = {"__name__": "bent"}
    exec((student / "bent.py").read_text().replace("dy * (1 + ", "dy * ("), names)
    (check,) = [check for check in conformance("activation", names["Bent"]()) if check.name == "gradient"]
    with pytest.raises(AssertionError) as told:
        check()
    assert f"`{told.value}`" in PAGE, told.value


@pytest.mark.slow
def test_the_way_of_a_package(student, tmp_path_factory):
    for command in commands("A package"):
        follow(command, student, tmp_path_factory.getbasetemp() / "student" / "site")


def test_the_page_names_every_hook_and_reserved_option():
    names = {*HOOKS, *(name for reserved in RESERVED.values() for name in reserved)}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
