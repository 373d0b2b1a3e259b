"""The rules of the code base that a machine can check: floors, sizes, docstrings, what lies where."""

import ast
import functools
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# A package of `framework/` imports only from packages of a lower floor, wherever in a file the import stands.
FLOORS = {
    **dict.fromkeys(("core", "hooks"), 1),
    **dict.fromkeys(("nn", "data", "registry", "tracking"), 2),
    **dict.fromkeys(("config", "inference"), 3),
    **dict.fromkeys(("training", "analysis"), 4),
    "experiments": 5,
    **dict.fromkeys(("sweeps", "sklearn", "testing"), 6),
    **dict.fromkeys(("api", "cli"), 7),
}
FACES = ("__init__", "components", "restoring")  # they hand on what others define
ELSEWHERE = "experiments/serving.py"  # MLflow runs a copy of it, in a process of its own


def python_files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT / "framework").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in python_files("framework")}


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text())


def imports(path):
    """Every module that a file imports, in functions and for a type checker too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name.removeprefix("framework.") in MODULES else node.module for name in below)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def ours(path):
    """The modules of `framework` that a file of it imports, without that name."""
    return {name.removeprefix("framework").lstrip(".") for name in imports(path) if name.split(".")[0] == "framework"}


def test_a_package_imports_only_from_lower_floors():
    for module, path in MODULES.items():
        package = module.split(".")[0]
        if path.relative_to(ROOT / "framework").as_posix() == ELSEWHERE or package in ("", *FACES):
            continue
        assert package in FLOORS, f"{package} has no floor"
        for name in ours(path):
            other = name.split(".")[0]
            assert other == package or FLOORS.get(other, 9) < FLOORS[package], f"{module} imports {name or 'framework'}"
        assert not any(name.startswith("framework_") for name in imports(path)), module


def test_no_module_imports_itself_by_way_of_others():
    edges = {name: ours(path) & MODULES.keys() - {name, ""} for name, path in MODULES.items() if name}
    while edges:
        free = [name for name, others in edges.items() if not others & edges.keys()]
        assert free, f"a circle in {sorted(edges)}"
        for name in free:
            del edges[name]


def test_the_package_has_few_entries():
    entries = {
        path.name for path in (ROOT / "framework").iterdir() if path.name not in ("__pycache__", "__init__.py", "py.typed")
    }
    assert len(entries) <= 18, sorted(entries)
    assert max(FLOORS.values()) <= 7


PLUGINS = [path for path in python_files("plugins") if path.parent != ROOT / "plugins" / "stackprop"]  # a second name


def test_a_plugin_imports_only_public_names_and_its_own_package():
    public = ("framework", "framework.hooks", "framework.testing")
    for path in PLUGINS:
        own = path.relative_to(ROOT / "plugins").parts[0]
        for module in imports(path):
            package = module.split(".")[0]
            if package.startswith("framework"):
                of_hydra = own == "hydra_plugins" and module.startswith("framework.sweeps.")  # where its classes lead
                assert module in public or package == own or of_hydra, f"{path} imports {module}"


def test_importing_the_core_is_light():
    heavy = ("mlflow", "hydra", "cupy", "sklearn", "yaml")
    code = f"import sys, framework; framework.discover(); print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def functions(path):
    for node in ast.walk(tree_of(path)):
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
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith(("_", "register_", "test_")):
                assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_the_top_level_holds_nothing_else():
    allowed = {"pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "mkdocs.yml"}
    allowed |= {"framework", "plugins", "conf", "tests", "runs", "benchmarks", "docs", "uv.lock"}
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False).stdout.split("\n")
    assert {name.split("/")[0] for name in tracked if name and not name.startswith(".")} <= allowed
