"""The commands in the README and the docs are real."""

import re
import shlex
from pathlib import Path

import pytest
from shell import stackprop

import framework

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Those of the README: tests/docs/test_readme.py.
NOT_RUNS = ("stackprop ui", "stackprop describe", "stackprop summary", "stackprop compare", "stackprop -m sweep.resume")
NOT_RUNS += ("stackprop report", "stackprop evaluate best", "stackprop figure")  # figures: tests/docs/test_gallery.py
NOT_RUNS += ("stackprop list",)  # tests/docs/test_runs_guide.py
NOT_RUNS += ("stackprop export", "stackprop watch")  # tests/cli/test_export.py, test_watch.py
NOT_RUNS += ("stackprop experiment=",)  # whole sweeps: tests/docs/test_experiments.py
QUICK = ["trainer.steps=2", "tracking=none"]


def commands(page):
    """The `stackprop ...` lines of the indented blocks of a page."""
    for line in page.read_text().splitlines():
        match = re.match(r"\s{4}(?:\.venv/bin/)?(stackprop .*?)(?:\s+#.*)?$", line)
        if match:
            yield match[1]


RUNS = [(page.relative_to(ROOT).as_posix(), c) for page in PAGES[1:] for c in commands(page) if not c.startswith(NOT_RUNS)]


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(("page", "command"), RUNS, ids=[command for _, command in RUNS])
def test_a_command_of_the_docs_runs(page, command, ask):
    words = shlex.split(command)[1:]
    words += ["hydra.sweeper.n_trials=12"] if "hydra/sweeper=" in command else []
    quick = QUICK[1:] if "trainer.prune" in command else QUICK  # rungs are within the training
    status, _, errors = ask(*words, *quick)
    assert status == 0, errors


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_make_target_of_the_docs_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        assert set(re.findall(r"^ {4}make (\w+)", page.read_text(), re.M)) <= targets


@pytest.mark.parametrize("page", ["README.md", "docs/guides/python-api.md"])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run", "sweep"):
        whole = getattr(framework, name)
        monkeypatch.setattr(framework, name, lambda *words, whole=whole, **how: whole(*words, *QUICK, **how))
    names = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S):
        if "@dataclass" not in block:
            exec(block, names)
    assert len(names["jobs"]) == 8
    assert names.get("value", 0) < 0.5  # of the loop that the reader writes


@pytest.mark.slow
def test_the_session_of_a_page_runs(tmp_path):
    text = (ROOT / "docs/guides/going-on.md").read_text()
    for command in re.search(r"```console\n(.*?)```", text, re.S)[1].strip().splitlines():
        words = shlex.split(command.removeprefix("$ stackprop"), comments=True)
        more = [] if words[0] == "resume" else ["tracking=none"]
        done = stackprop(tmp_path, *words, *more, UNRENDERED="1")
        assert done.returncode == 0, done.stderr
    block = re.search(r"```python\n(.*?)```", text, re.S)[1]
    assert "framework.resume(" in block
    assert len(list(tmp_path.glob("runs/2*"))) == 4


@pytest.mark.parametrize("page", ["README.md", "docs/guides/sweeps.md", "docs/guides/hyperparameter-search.md"])
def test_the_messages_of_a_page_are_those_of_the_command(page, tmp_path):
    text = (ROOT / page).read_text()
    # The first console block shows messages; those after it need a run.
    command, *expected = re.search(r"```console\n\$ (.*?)```", text, re.S)[1].strip().splitlines()
    done = stackprop(tmp_path, *shlex.split(command)[1:])
    assert done.stderr.strip().splitlines() == expected
