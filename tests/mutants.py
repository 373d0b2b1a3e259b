"""Plant single faults in the source, and see whether the tests notice: `make mutants`, or `python tests/mutants.py -n 40`.

Cosmic Ray finds the places and changes them: another number, operator, comparison or condition. A sample of its mutants is
drawn evenly over four groups of files; each is tried in a copy of the tree against the test files of its own module, in a
process of its own. What no behaviour depends on is not changed: annotations, decorators, error messages, `strict=`.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import importlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GROUPS = {
    "components": ["plugins/framework_*/**/*.py"],
    "trainer": [
        f"framework/{name}.py"
        for name in (
            *("training/state", "training/early_stopping", "training/step", "training/update", "training/trainer"),
            *("training/parallel", "training/bptt", "tracking/checkpoint", "inference/evaluation", "nn/heads", "nn/arena"),
        )
    ],
    "data": [
        *(f"framework/data/{name}.py" for name in ("dataset", "loader", "validation", "scaling")),
        "plugins/framework_datasets/*.py",
    ],
    "searches": [f"framework/sweeps/search/{name}.py" for name in ("space", "ant_colony", "cell_ants", "optuna")],
}
DRAWINGS = (
    "*/_figure*.py",
    "*/_tables.py",
    "*/_watching.py",
    "*/_training_sets.py",
)  # of studies: what is seen, not computed
# The tests of a module, the quickest first: the first pattern that fits. `c` is the conformance kit on the component,
# `r` the page of the reference, which holds its defaults.
TESTS = {
    "plugins/framework_activations/*": "beyond_gradients c r notes_activations golden_numbers",
    "plugins/framework_augmentations/*": "beyond_gradients c r augmentation",
    "plugins/framework_cells/*": "beyond_gradients c r bptt notes_recurrent notes_cells model_trace",
    "plugins/framework_initializers/*": "beyond_gradients c r notes_errata notes_training",
    "plugins/framework_layers/*": "beyond_gradients c r golden_layers network network_messages masks notes_training "
    "model_trace",
    "plugins/framework_losses/*": "beyond_gradients c r notes_losses evaluation masks",
    "plugins/framework_metrics/*": "beyond_gradients c r evaluation notes_losses early_stopping",
    "plugins/framework_optimizers/*": "beyond_gradients c r notes_optimizers updating golden_more",
    "plugins/framework_probes/*": "beyond_gradients c r weights_probes probes",
    "plugins/framework_regularizers/*": "beyond_gradients c r golden_numbers notes_training",
    "plugins/framework_schedules/*": "beyond_gradients c r notes_optimizers training",
    "plugins/framework_studies/gradcheck/*": "r study_gradcheck studies",
    "plugins/framework_studies/lr_range/*": "r study_lr_range studies",
    "plugins/framework_studies/overfit_batch/*": "r study_overfit_batch studies",
    "plugins/framework_studies/trace/*": "r study_trace studies",
    "plugins/framework_studies/bias_variance/*": "r bias_variance studies",
    "plugins/framework_studies/learning_curve/*": "r study_learning_curve studies",
    "plugins/framework_studies/*": "r study_gradcheck study_trace study_lr_range study_overfit_batch studies",
    "plugins/framework_datasets/*": "beyond_gradients c r loader tables arrays wine scaling validation augmentation files "
    "searchers",
    "framework/training/early_stopping.py": "early_stopping beyond_gradients checkpoints",
    "framework/tracking/checkpoint.py": "checkpoints recorder",
    "framework/nn/heads.py": "heads microbatch masks",
    "framework/nn/arena.py": "arena stacking",
    "framework/training/parallel.py": "edges run_stack pruning",
    "framework/training/pruning.py": "pruning pruned_sweeps",
    "framework/experiments/stack_parts.py": "stack_parts",
    "framework/training/bptt.py": "bptt stateful",
    "framework/inference/evaluation.py": "beyond_gradients evaluation early_stopping masks notes_losses",
    "framework/training/update.py": "updating stack_law",
    "framework/training/step.py": "beyond_gradients training updating bptt stateful notes_training edges stack_law "
    "probes microbatch",
    "framework/training/state.py": "training early_stopping checkpoints beyond_gradients edges stack_law probes stateful "
    "bptt notes_recurrent",
    "framework/training/trainer.py": "training early_stopping checkpoints beyond_gradients stack_law",
    "framework/data/dataset.py": "loader masks stateful layout",
    "framework/data/loader.py": "loader masks stateful layout",
    "framework/data/validation.py": "validation masks loader",
    "framework/data/scaling.py": "scaling masks wine",
    "framework/sweeps/search/*": "beyond_gradients searchers search",
}
NUMERIC, BITS = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Pow", "Mod"}, {"BitOr", "BitAnd", "BitXor"}


class Mutant(NamedTuple):
    """One change: which operator of Cosmic Ray, at which of its places in the file."""

    path: str
    line: int
    operator: str
    occurrence: int


def main() -> None:
    """Draw, try, and print which changes no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-n", type=int, default=200, help="mutants")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--timeout", type=float, default=240, help="seconds for the tests of a mutant; beyond: noticed")
    parser.add_argument("--groups", nargs="*", default=list(GROUPS), choices=list(GROUPS))
    parser.add_argument("--again", type=Path, help="try only the survivors of an earlier `--keep` file")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a mutant first")
    parser.add_argument("--keep", type=Path, help="file for the results, a JSON line each")
    options = parser.parse_args()
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    if options.again:
        rows = [json.loads(line) for line in options.again.read_text().splitlines()]
        chosen = [(r["group"], Mutant(*r["mutant"])) for r in rows if r["outcome"] == "survived"]
    else:
        chosen = sample(options.groups, options.n, options.seed)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        tree = Path(place) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "runs", "site"))
        every = {name for names in TESTS.values() for name in names.split()} - {"c", "r"} | {"conformance", "reference"}
        if not options.trust and tested(tree, [file_of(name) for name in sorted(every)], None) != 0:
            raise SystemExit("the tests fail without a mutant:\n" + (tree.parent / "output.txt").read_text())
        counts: Counter[tuple[str, str]] = Counter()
        for i, (group, mutant) in enumerate(chosen, 1):
            outcome, change = trial(tree, mutant, options.timeout)
            counts[group, outcome] += 1
            print(f"{i}/{len(chosen)} {outcome:8} {mutant.path}:{mutant.line} {mutant.operator}", flush=True)
            if outcome == "survived":
                print(change, flush=True)
            if options.keep:
                with options.keep.open("a") as file:
                    row = {"group": group, "mutant": mutant, "outcome": outcome, "change": change}
                    file.write(json.dumps(row) + "\n")
    show(counts)


def show(counts: Counter[tuple[str, str]]) -> None:
    """The table."""
    print(f"{'group':12}{'caught':>8}{'timeout':>8}{'survived':>9}")
    for group in [g for g in GROUPS if any(g == of for of, _ in counts)]:
        print(f"{group:12}{counts[group, 'caught']:8}{counts[group, 'timeout']:8}{counts[group, 'survived']:9}")
    survived = sum(count for (_, outcome), count in counts.items() if outcome == "survived")
    total = sum(counts.values())
    print(f"{total - survived} of {total} noticed ({100 * (total - survived) / max(total, 1):.1f} %)")


def sample(groups: list[str], n: int, seed: int) -> list[tuple[str, Mutant]]:
    """n mutants, as many of each group: places drawn uniformly, and at each one of its changes. Groups take turns."""
    drawn = {}
    for i, group in enumerate(groups):
        rng = random.Random(f"{seed} {group}")
        places: dict[Any, list[Mutant]] = {}
        for path in files(group):
            for place, mutant in mutants(path):
                places.setdefault((path, place), []).append(mutant)
        share = n // len(groups) + (i < n % len(groups))
        chosen = [rng.choice(places[place]) for place in rng.sample(sorted(places), len(places))]
        drawn[group] = list(islice(filter(compiles, chosen), share))
    turns = max(map(len, drawn.values()))
    return [(group, found[i]) for i in range(turns) for group, found in drawn.items() if i < len(found)]


def files(group: str) -> list[str]:
    """The source files of a group, relative to the root."""
    found = sorted({str(path.relative_to(ROOT)) for pattern in GROUPS[group] for path in ROOT.glob(pattern)})
    aside = [*DRAWINGS, *(GROUPS["data"] if group == "components" else [])]
    return [path for path in found if not any(fnmatch.fnmatch(path, pattern) for pattern in aside)]


def mutants(path: str) -> Iterator[tuple[Any, Mutant]]:
    """Every change of a file that could matter, with its place."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names
    from parso.python.tree import Name

    nodes = [node for node in ast_nodes(get_ast_from_path(ROOT / path)) if not isinstance(node, Name)]
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or not sensible(name):
            continue
        places = [(node, *place) for node in nodes for place in operator().mutation_positions(node)]
        for occurrence, (node, start, _) in enumerate(places):
            if not beside_behaviour(node):
                yield start, Mutant(path, start[0], name, occurrence)


def sensible(name: str) -> bool:
    """Arithmetic is exchanged for arithmetic, and no `==` for `is`: other changes fail at once, or do not differ."""
    change = re.search(r"Replace(Binary|Comparison)Operator_(\w+)_(\w+)", name)
    if change is None:
        return "RemoveDecorator" not in name
    kind, old, new = change.groups()
    if kind == "Binary":
        return {old, new} <= NUMERIC or {old, new} <= BITS
    return ("Is" in old) == ("Is" in new)


def compiles(mutant: Mutant) -> bool:
    """Whether the change is Python."""
    try:
        compile(changed((ROOT / mutant.path).read_text(encoding="utf-8"), mutant), mutant.path, "exec")
    except (SyntaxError, AttributeError):  # the latter from Cosmic Ray, of `except (A, module.B)`
        return False
    return True


def changed(source: str, mutant: Mutant) -> str:
    """The source with the change."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    return str(mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence))


def beside_behaviour(node: Any) -> bool:
    """Whether a node is part of an annotation, a decorator, an error or another formatted text, of `strict=`, or of the
    examples that a component gives to the conformance kit."""
    while node.parent is not None:
        above = node.parent
        if node.type in ("raise_stmt", "decorator", "fstring", "assert_stmt"):
            return True
        if node.type == "funcdef" and node.name.value == "examples":
            return True
        if above.type == "dictorsetmaker" and node == "**":
            return True
        if above.type == "annassign" and node is above.children[1]:
            return True
        if above.type == "tfpdef" or (above.type == "funcdef" and node not in (above.children[2], above.children[-1])):
            return True
        if above.type == "argument" and above.children[0].get_code().strip() == "strict":
            return True
        node = above
    return False


def trial(tree: Path, mutant: Mutant, timeout: float) -> tuple[str, str]:
    """caught, survived or timeout; and the change."""
    path = tree / mutant.path
    before, times = path.read_text(encoding="utf-8"), path.stat()
    after = changed(before, mutant)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), mutant.path, mutant.path, "", "", 0, "")
    try:
        path.write_text(after, encoding="utf-8")
        return noticed(tree, mutant.path, timeout), "\n".join(list(lines)[2:])
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def noticed(tree: Path, path: str, timeout: float) -> str:
    """What the tests of a module say."""
    names = next(names for pattern, names in TESTS.items() if fnmatch.fnmatch(path, pattern))
    for arguments in selections(path, names.split()):
        code = tested(tree, arguments, timeout)
        if code not in (0, 5):  # 5: no test was selected
            return "timeout" if code is None else "caught"
    return "survived"


def tested(tree: Path, arguments: list[str], timeout: float | None) -> int | None:
    """pytest's exit status, None after `timeout` seconds. A fork: what tests import of others is imported once, here."""
    for name in ("matplotlib.pyplot", "mlflow", "optuna", "pytest", "sklearn.datasets"):
        importlib.import_module(name)
    process = multiprocessing.get_context("fork").Process(target=pytest_in, args=(tree, arguments))
    process.start()
    process.join(timeout)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return None
    return process.exitcode


def pytest_in(tree: Path, arguments: list[str]) -> None:
    """pytest in the copy, which is what is imported there. Compiled files are not written: they would outlive the change."""
    import pytest

    os.setpgrp()
    os.chdir(tree)
    paths = [str(tree), str(tree / "plugins")]
    sys.path[:0] = paths
    os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tree.parent)}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    tempfile.tempdir, sys.dont_write_bytecode = None, True
    with (tree.parent / "output.txt").open("w") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    sys.exit(int(pytest.main([*options, *arguments])))


def file_of(name: str) -> str:
    """The test file of that name, in whatever folder; names occur once."""
    (path,) = ROOT.glob(f"tests/*/test_{name}.py")
    return str(path.relative_to(ROOT))


def selections(path: str, names: list[str]) -> Iterator[list[str]]:
    """Arguments of pytest, one list for each process: the conformance kit of a component needs one of its own."""
    if "c" in names:
        kind, stem = Path(path).parent.name.removeprefix("framework_"), Path(path).stem
        shared = not (ROOT / "docs" / "reference" / f"{kind}.md").read_text().count(f"## {stem}\n")
        yield ["tests/kit/test_conformance.py", "-k", kind[:4] if shared else f"/{stem}]"]
    page = "tests/docs/test_reference.py::test_the_pages_are_those_that_the_docstrings_give"
    yield [page if name == "r" else file_of(name) for name in names if name != "c"]


if __name__ == "__main__":
    main()
