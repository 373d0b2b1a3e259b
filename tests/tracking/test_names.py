"""A name, tags and notes say what a run is for; a name finds it again, and none of them changes what is trained."""

import json

import pytest

import framework
from framework.core.errors import ConfigError
from framework.tracking.config_hash import config_hash
from framework.tracking.naming import About, about_of, changed, fault_of_name, run_name, short_keys
from framework.tracking.run_dir import (
    find_any,
    find_run,
    find_sweep,
    read_state,
    read_sweep,
    runs_dir,
    tree_of_run,
)

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=wine", "dataset.scale=standard", "trainer.epochs=1", "model.hidden=3", "tracking=none", "threads=1"]
LABELS = ["name=wide", "tags={paper: fig3}", "notes=first try, it's wide"]


def record(folder, **state):
    """A run folder with no more than a record."""
    folder.mkdir(parents=True)
    content = {"status": "finished", "started": 1.0, "command": "stackprop", "tags": {}, **state}
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def test_labels_are_recorded_and_change_nothing_else(ask, tmp_path):
    assert ask(*QUICK, "hydra.run.dir=runs/plain")[0] == 0
    assert ask(*QUICK, *LABELS, "hydra.run.dir=runs/labelled")[0] == 0
    plain, labelled = (read_state(tmp_path / "runs" / name) for name in ("plain", "labelled"))
    assert labelled["about"] == {"name": "wide", "tags": {"paper": "fig3"}, "notes": "first try, it's wide"}
    assert (plain["name"], labelled["name"]) == ("wine scale=standard epochs=1 hidden=3 threads=1", "wide")
    for key in ("config_hash", "command", "metrics"):
        assert plain[key] == labelled[key]
    assert "about" not in plain
    assert tree_of_run(tmp_path / "runs" / "plain") == tree_of_run(tmp_path / "runs" / "labelled")


def test_records_without_labels_have_the_hash_they_had():
    tree = {"seed": 0, "model": {}}
    assert config_hash(tree) == config_hash({**tree, "name": None, "tags": {}, "notes": None})


def test_a_sweep_has_the_name_and_its_jobs_say_what_varies(ask):
    words = ["model=mlp", "optimizer.lr=0.1,0.01", "activation=relu,tanh", "seed=3"]
    assert ask("-m", *QUICK, *LABELS, *words, "hydra.sweep.dir=runs/s")[0] == 0
    assert read_sweep(find_sweep("wide"))["about"] == {"name": "wide", "tags": {"paper": "fig3"}, "notes": LABELS[2][6:]}
    jobs = [read_state(find_run(f"wide/{number}", runs_dir())) for number in range(4)]
    assert [job["name"] for job in jobs] == ["lr=0.1 relu", "lr=0.1 tanh", "lr=0.01 relu", "lr=0.01 tanh"]
    assert {about_of(job).name for job in jobs} == {""}
    assert about_of(jobs[0]).tags == {"paper": "fig3"}
    assert find_any("wide") == find_any("last") == find_sweep("wide")
    with pytest.raises(ConfigError, match="wide: this is a sweep; use wide/best"):
        find_run("wide", runs_dir())
    ask("tag", "wide", "~paper", "later=1")
    ask("delete", "wide/2", "--yes")
    assert ask("-m", "sweep.resume=wide")[0] == 0
    assert about_of(read_state(find_run("wide/2", runs_dir()))).tags == {"later": "1"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("name=a,b", "name: a name is not swept: all jobs of a sweep share it (got 'a,b')"),
        ("name=a/b", "name: '/' not allowed in a name (got 'a/b'); allowed: letters, digits, - _ . and blanks"),
        ("name=best", "name: 'best' has a meaning: the best job of the last sweep"),
        (f"name={'0123456789abcdef' * 2}", "name: it looks like the id of an MLflow run"),
        (f"name={'a' * 101}", "name: a name has at most 100 characters (got 101)"),
        ("name= a", "name: a name begins with a letter, a digit or _, and does not end with a blank (got ' a')"),
        ("name=-a", "name: a name begins with a letter, a digit or _, and does not end with a blank (got '-a')"),
        ("tags.sweep=a", "tags.sweep: 'sweep' is a tag that stackprop sets; choose another key"),
        ("tags={a: [1]}", "tags.a: the value of a tag is a text or a number (got [1])"),
        (f"notes={'a' * 5001}", "notes: notes have at most 5000 characters (got 5001)"),
    ],
)
def test_a_label_that_is_not_allowed_is_an_error(ask, word, message):
    status, _, err = ask(*QUICK, word)
    assert (status, message in err) == (2, True), err


def test_tags_are_not_swept(ask, tmp_path):
    status, _, err = ask("-m", *QUICK, "tags.paper=a,b", "hydra.sweep.dir=s")
    assert (status, "tags: not swept; all jobs of a sweep share it" in err) == (2, True)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("name", ["007", "1e3", "true", "Größe 2", "v1.2", "it"])
def test_a_name_is_a_text_whatever_it_looks_like(name):
    from framework.config.arguments import readable
    from framework.config.composition import compose

    assert compose(readable([f"name={name}"])).about.name == name
    assert fault_of_name(name) == ""


@pytest.mark.parametrize("notes", ["a, b", "it's", 'say "hi"', "a\\", "x=1 {a: 2} [3]", "50% (a)"])
def test_notes_are_kept_letter_by_letter(notes):
    from framework.config.arguments import readable
    from framework.config.composition import compose

    assert compose(readable([f"notes={notes}"])).about.notes == notes


def test_of_several_runs_with_a_name_the_newest_is_used(ask, tmp_path, capfd):
    for number in range(3):
        record(tmp_path / "runs" / str(number), about={"name": "wide"}, started=float(5 - number))
    assert find_run("wide", runs_dir()).name == "0"
    assert "3 runs are named 'wide'; this is the newest: runs/0" in capfd.readouterr().err


def test_several_sweeps_of_a_name_are_reported_once(ask, tmp_path, capfd):
    for number in range(2):
        folder = tmp_path / "runs" / f"sweep-{number}"
        folder.mkdir(parents=True)
        content = {"command": ["-m"], "about": {"name": "rates"}, "launched": float(number)}
        (folder / "sweep.json").write_text(json.dumps(content))
    assert find_any("rates").name == "sweep-1"
    assert capfd.readouterr().err.count("2 sweeps are named 'rates'") == 1


def test_the_beginning_of_an_id_finds_a_run(ask, tmp_path):
    for number in "12":
        record(tmp_path / "runs" / f"r{number}", mlflow_run_id=f"abcdef{number}" + "0" * 25)
    assert find_run("abcdef1", runs_dir()).name == "r1"
    assert find_run("abcdef2" + "0" * 25, runs_dir()).name == "r2"
    with pytest.raises(ConfigError, match=r"abcdef: the ids of 2 runs begin so \(abcdef1"):
        find_run("abcdef", runs_dir())
    with pytest.raises(ConfigError, match="unknown run 'abcde'"):
        find_run("abcde", runs_dir())


def test_an_unknown_name_offers_the_names_there_are(ask, tmp_path):
    record(tmp_path / "runs" / "r", about={"name": "wider"})
    with pytest.raises(ConfigError, match="unknown run 'widr' in runs; did you mean 'wider'"):
        find_run("widr", runs_dir())


def test_last_is_not_suggested_for_itself(ask, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown run or sweep 'last' in runs; there are no runs yet$"):
        find_any("last")


def test_a_run_and_a_sweep_may_share_a_name(ask, tmp_path):
    record(tmp_path / "runs" / "r", about={"name": "a"}, started=5.0)
    record(tmp_path / "runs" / "s" / "0", tags={"sweep": "s"})
    path = tmp_path / "runs" / "s" / "sweep.json"
    for launched, expected in ((3.0, "r"), (9.0, "s")):
        path.write_text(json.dumps({"command": [], "jobs": {}, "about": {"name": "a"}, "launched": launched}))
        assert find_any("a").name == expected


@pytest.mark.parametrize(
    "entry", [3, {"name": 4, "tags": {"a": 1}}, {"tags": [], "notes": {}}, {"name": "a/b\x1b[2J", "tags": {"sweep": "x"}}]
)
def test_labels_of_a_strange_record_count_as_missing(entry):
    assert about_of({"about": entry}) == About()


def test_changes_replace_add_and_remove():
    before = About("a", {"x": "1", "y": "2"}, "n")
    after = changed(before, {"name": None, "tags.x": None, "tags.z": "3", "notes": "m"})
    assert after == About("", {"y": "2", "z": "3"}, "m")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["optimizer.lr", "seed"], ["lr", "seed"]),
        (["optimizer.lr", "schedule.lr"], ["optimizer.lr", "schedule.lr"]),
        (["model.layers.a.units", "model.layers.b.units"], ["a.units", "b.units"]),
        (["seed", "dataset.seed"], ["seed", "dataset.seed"]),
    ],
)
def test_keys_are_short_as_long_as_they_differ(keys, expected):
    assert list(short_keys(keys).values()) == expected


def test_a_run_name_leaves_out_where_it_is_recorded():
    assert run_name(["optimizer=adam", "optimizer.lr=0.1", "tracking.uri=x", "plugins=[a.py]"]) == "adam lr=0.1"


def test_python_finds_runs_by_name_and_lists_them(ask, tmp_path):
    record(tmp_path / "runs" / "r", name="wide", about={"name": "wide", "tags": {"paper": "fig3"}, "notes": "n"})
    for seed in "01":
        words = {"command": f"stackprop seed={seed}", "tags": {"sweep": "s"}, "name": f"seed={seed}"}
        record(tmp_path / "runs" / "s" / seed, **words)
    (tmp_path / "runs" / "s" / "sweep.json").write_text('{"command": [], "jobs": {}, "about": {"name": "many"}}')
    found = framework.result("wide")
    assert (found.name, found.tags, found.notes) == ("wide", {"paper": "fig3"}, "n")
    assert {each.name for each in framework.runs()} == {"many", "wide"}
    assert [each.overrides["seed"] for each in framework.runs("name=many", sort="name", all=True)] == ["0", "1"]
