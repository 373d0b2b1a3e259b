"""The rules of the house that a machine can check."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Data flows down this list once: a room imports only rooms on later lines.
ROOMS = [
    ["notebook"],
    ["cli"],
    ["helping", "results"],
    ["verbs"],
    ["reporting"],
    ["launching"],
    ["display"],
    ["refilling"],
    ["serving"],
    ["sklearn"],
    ["experiment"],
    ["preparing"],
    ["loading", "slicing"],
    ["artifacts"],
    ["samples"],
    ["generating", "searching"],
    ["restoring", "figures"],
    ["wording"],
    ["composing"],
    ["permitted", "arguments", "presets"],
    ["assembling"],
    ["studying"],
    ["runs"],
    ["record"],
    ["provenance"],
    ["footprint"],
    ["config"],
    ["training"],
    ["running"],
    ["stepping"],
    ["feeding"],
    ["spawning", "unheard", "signals"],
    ["mlflow_store"],
    ["relocating"],
    ["model", "fitting"],
    ["style"],
    ["comparison"],
    ["direction"],
    ["learner", "findings"],
    ["reaping"],
    ["checkpoints", "recording", "stopping", "measuring", "testing"],
    ["series"],
    ["updating"],
    ["decoding"],
    ["heads", "blocks", "probing"],
    ["network"],
    ["scaling", "augmenting", "chunking", "precision"],
    ["checking"],
    ["data", "arena"],
    ["inspecting", "secrecy"],
    ["judging"],
    ["discovery"],
    ["registry"],
    ["hooks", "trust", "home", "allowance"],
    ["components", "stacking"],
    ["context"],
    ["arrays", "streams", "threads", "version"],
    ["archives"],
    ["reading", "writing"],
    ["memory"],
]
RANK = {name: i for i, names in enumerate(ROOMS) for name in names}


def python_files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path):
    """Modules imported when the file is, not those inside functions or for type checking."""
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", python_files("framework"), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_rooms_below_it(path):
    room = path.relative_to(ROOT / "framework").parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in RANK, f"{room} has no place in the list of rooms"
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "framework" and len(parts) > 1 and parts[1] != room:
            assert RANK[parts[1]] > RANK[room], f"{room} imports {parts[1]}, which stands above it"
        assert not parts[0].startswith("framework_"), f"{room} imports the plugin {module}"


@pytest.mark.parametrize("path", python_files("plugins"), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_plugin_imports_only_public_names_and_its_own_package(path):
    own = path.relative_to(ROOT / "plugins").parts[0]
    for module in imports(path):
        package = module.split(".")[0]
        if package.startswith("framework"):
            assert module in ("framework", "framework.hooks") or package == own, f"{path.name} imports {module}"


def test_importing_the_core_is_light():
    heavy = ("mlflow", "hydra", "cupy", "sklearn", "yaml", "numba")
    code = f"import sys, framework; framework.discover(); print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_files_and_functions_stay_small():
    files = python_files("framework", "plugins")
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    assert max(lengths.values()) <= 400, max(lengths, key=lengths.get)
    assert statistics.median(lengths.values()) < 90
    sizes = [(size, f"{path.name}:{name}") for path in files for name, size in functions(path)]
    assert max(sizes)[0] <= 60, max(sizes)
    assert sum(size < 25 for size, _ in sizes) >= 0.9 * len(sizes), sorted(sizes)[-len(sizes) // 10 :]


def test_every_public_thing_says_what_it_is():
    for path in python_files("framework", "plugins"):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith(("_", "register_")):
                assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_the_top_level_holds_nothing_else():
    allowed = {"pyproject.toml", "README.md", "Makefile", "CHANGELOG.md"}
    allowed |= {"framework", "plugins", "conf", "tests", "runs", "benchmarks", "docs", "uv.lock"}
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False).stdout.split("\n")
    assert {name.split("/")[0] for name in tracked if name and not name.startswith(".")} <= allowed
