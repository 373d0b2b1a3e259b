"""A file that is not what a run writes costs the run whose it is, and nobody else."""

import os
import shutil

import pytest

QUICK = ["dataset=wine", "dataset.scale=standard", "trainer.epochs=2", "model.hidden=3", "tracking=none", "threads=1"]
DEEP = "[" * 100_000


def write(name, text):
    def broken(runs):
        path = runs / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)

    return broken


def folder(name):
    def broken(runs):
        (runs / name).unlink(missing_ok=True)
        (runs / name).mkdir(parents=True)

    return broken


def link(name):
    def broken(runs):
        path = runs / name
        path.unlink(missing_ok=True) if not path.is_dir() else shutil.rmtree(path)
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("nowhere")

    return broken


def pipe(name):
    def broken(runs):
        (runs / name).unlink(missing_ok=True)
        os.mkfifo(runs / name)

    return broken


def instead(name):
    def broken(runs):
        shutil.rmtree(runs / name)
        (runs / name).write_text("")

    return broken


FOREIGN = '{"status": 5, "started": "soon", "tags": 3, "metrics": []}'
BROKEN = {
    f"{place}/{name} {what}": broken
    for place in ("b", "s/1")
    for name in ("run.json",)
    for what, broken in {
        "empty": write(f"{place}/{name}", ""),
        "list": write(f"{place}/{name}", "[1, 2]"),
        "foreign": write(f"{place}/{name}", FOREIGN),
        "other": write(f"{place}/{name}", '{"a": 1}'),
        "odd status": write(f"{place}/{name}", '{"status": "running", "tags": {"sweep": 3}, "kept": [], "runs": "\\u0000"}'),
        "odd metrics": write(f"{place}/{name}", '{"status": "finished", "metrics": {"val/loss": {}}, "command": "\\"x"}'),
        "odd command": write(f"{place}/{name}", '{"status": "finished", "command": "stackprop \\"x", "tags": {"sweep": "s"}}'),
        "binary": write(f"{place}/{name}", bytes(range(256))),
        "deep": write(f"{place}/{name}", DEEP),
        "folder": folder(f"{place}/{name}"),
        "link": link(f"{place}/{name}"),
        "pipe": pipe(f"{place}/{name}"),
    }.items()
} | {
    "config.yaml empty": write("b/config.yaml", ""),
    "config.yaml list": write("s/1/config.yaml", "- 1"),
    "config.yaml of 0": write("s/0/config.yaml", ""),
    "config.yaml 0 binary": write("s/0/config.yaml", bytes(range(256))),
    "metrics garbage": write("s/1/metrics.jsonl", "garbage\n"),
    "metrics list": write("s/1/metrics.jsonl", "[1]\n[2]\n"),
    "metrics foreign": write("s/1/metrics.jsonl", '{"a": 1}\n'),
    "metrics odd": write("s/1/metrics.jsonl", '{"step": 1, "val/loss": {}}\n{"step": 1, "val/loss": null}\n'),
    "metrics empty": write("s/1/metrics.jsonl", ""),
    "metrics binary": write("s/1/metrics.jsonl", bytes(range(256)) + b"\n"),
    "metrics folder": folder("s/1/metrics.jsonl"),
    "metrics of b": write("b/metrics.jsonl", '{"step": 1, "val/loss": {}}\n'),
    "sweep empty": write("s/sweep.json", ""),
    "sweep list": write("s/sweep.json", "[]"),
    "sweep foreign": write("s/sweep.json", '{"jobs": 3, "best": "x", "launched": "soon", "objective": 4}'),
    "sweep odd": write("s/sweep.json", '{"jobs": {"0": 1}, "best": {"a": 1}, "objective": {"b": 2}, "command": [1]}'),
    "sweep folder": folder("s/sweep.json"),
    "archive": write("s/archive.json", "[]"),
    "running file": write(".running", ""),
    "running link": link(".running"),
    "marker list": write(".running/x.json", "[]"),
    "marker empty": write(".running/x.json", ""),
    "marker foreign": write(".running/x.json", '{"folders": [3, "", "\\u0000", "b"]}'),
    "marker string": write(".running/x.json", '{"folders": 3}'),
    "marker folder": folder(".running/x.json"),
    "marker link": link(".running/x.json"),
    "lock folder": folder(".running/x.lock"),
    "elsewhere binary": write(".elsewhere", bytes(range(1, 256))),
    "elsewhere null": write(".elsewhere", "a\0b\n"),
    "elsewhere folder": folder(".elsewhere"),
    "folder is file": instead("b"),
    "plugins": write("b/plugins.json", "[]"),
    "plugins s": write("s/1/plugins.json", "[]"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    from test_shell import stackprop

    place = tmp_path_factory.mktemp("sound")
    for words in ([*QUICK, "hydra.run.dir=runs/b"], ["-m", *QUICK, "seed=3,4", "hydra.sweep.dir=runs/s"], [*QUICK, "hydra.run.dir=runs/a"]):
        assert stackprop(place, *words).returncode == 0
    return place


VERBS = {
    "doctor": ["doctor"],
    "compare": ["compare", "s"],
    "compare last": ["compare"],
    "evaluate": ["evaluate", "last"],
    "evaluate best": ["evaluate", "best"],
    "report": ["report", "a"],
    "report s": ["report", "s"],
    "report last": ["report"],
    "resume": ["resume", "b"],
    "run": [*QUICK],
    "sweep": ["-m", *QUICK, "seed=7,8"],
    "sweep resume": ["-m", "sweep.resume=s"],
}


@pytest.mark.parametrize("name", BROKEN)
def test_matrix(ask, sound, tmp_path, name):
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs" / ".running").mkdir(exist_ok=True)
    if name == "running file":
        shutil.rmtree(tmp_path / "runs" / ".running")
    BROKEN[name](tmp_path / "runs")
    os.environ["PYTHONFAULTHANDLER"] = "1"
    for verb, words in VERBS.items():
        try:
            status, out, err = ask(*words)
            bad = [line for line in err.splitlines() if not line.startswith("plugin ")]
            with open("/tmp/records_matrix.log", "a") as f:
                print(f"{name:22} | {verb:12} | {status} | {' // '.join(bad)[:260]}", file=f)
        except BaseException as e:
            import traceback
            with open("/tmp/records_matrix.log", "a") as f:
                print(f"{name:22} | {verb:12} | RAISED {type(e).__name__}: {str(e)[:150]} | {traceback.extract_tb(e.__traceback__)[-1]}", file=f)
