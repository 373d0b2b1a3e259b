"""A sweep with pruning: what its records say, several stacks, and resuming."""

import json

import pytest
from shell import stackprop

from framework.config.composition import compose
from framework.core.errors import DataError
from framework.experiments.experiment import prepare
from framework.experiments.pruning import SweepRungs, comparable, read_rungs, setting_of, sweep_warnings
from framework.experiments.runner import run, run_stack
from framework.sweeps.manifest import is_done
from framework.tracking.config_hash import config_hash
from framework.tracking.run_dir import RunLocation, read_state
from framework.training.state import Trainer

pytestmark = pytest.mark.usefixtures("unrendered")

WORDS = ["tracking=none", "dtype=float64", "device=cpu", "dataset=spirals", "dataset.n=60", "model.hidden=6"]
WORDS += ["tier=array", "trainer.epochs=4", "trainer.prune.at=[2]"]
RATES = (0.001, 0.1, 0.3, 0.01)  # val/loss after two epochs: 0.727, 0.759, 0.625, 0.702


def jobs(*rates, words=()):
    return [prepare(compose([*WORDS, f"optimizer.lr={rate}", *words])) for rate in rates]


def place(folder, name):
    return RunLocation(folder / name, folder, name, {"sweep": "s"})


def ends(folder, count=4):
    return [read_state(folder / str(i)).get("status", "-") for i in range(count)]


@pytest.fixture
def whole(tmp_path):
    """The four jobs in one stack."""
    run_stack(jobs(*RATES), [place(tmp_path / "whole", str(i)) for i in range(4)])
    return tmp_path / "whole"


def test_a_pruned_job_is_recorded_with_its_reason(whole):
    assert ends(whole) == ["pruned", "pruned", "finished", "finished"]
    state = read_state(whole / "1")
    value = state["metrics"]["val/loss"]
    assert state["reason"] == f"val/loss {value:.4g} after epoch 2 has rank 4 of 4; the best 2 were kept"
    assert (state["state"], state["kept"]["epochs"], state["kept"]["weights"]) == ("FINISHED", 2, "last")
    assert (whole / "1" / "model.npz").exists()
    assert is_done(whole / "1", config_hash(jobs(RATES[1])[0].settings.tree))


def test_stacks_are_compared_with_the_jobs_before_them(whole, tmp_path):
    """Asynchronous halving: the first stack knows only itself, the second knows all."""
    places = [place(tmp_path, str(i)) for i in range(4)]
    for part in (slice(0, 2), slice(2, 4)):
        run_stack(jobs(*RATES)[part], places[part])
    assert ends(tmp_path) == ["finished", "pruned", "finished", "finished"]
    assert "has rank 2 of 2; the best was kept" in read_state(tmp_path / "1")["reason"]
    (one,), (other,) = (read_rungs(folder).values() for folder in (whole, tmp_path))
    assert one == other


def test_a_job_that_is_repeated_is_compared_with_all(whole, tmp_path):
    """As after an interruption: the others have ended, and their values remain."""
    for name in ("0", "1", "2", "3"):
        again = run(jobs(RATES[int(name)])[0], RunLocation(whole / name, whole, name, {"sweep": "s"}))
        assert again.status == ("pruned" if name in "01" else "finished")


def test_a_run_alone_is_not_pruned(tmp_path):
    assert run(jobs(RATES[0])[0], RunLocation(tmp_path / "a", tmp_path, "a", {})).status == "finished"


def test_seeds_and_folds_belong_to_one_setting():
    one, *same = (each.settings.tree for each in jobs(0.1, words=["seed=0"]) + jobs(0.1, words=["seed=1", "dataset.seed=3"]))
    assert all(setting_of(tree) == setting_of(one) for tree in same)
    (other,) = jobs(0.2)
    assert setting_of(other.settings.tree) != setting_of(one)


@pytest.mark.parametrize(
    ("words", "metric", "same"),
    [
        (["model.hidden=5"], "val/loss", True),
        (["dataset.seed=3", "seed=4"], "val/loss", True),
        (["dataset.n=80"], "val/loss", False),
        (["loss=mse"], "val/loss", False),
        (["loss=mse"], "val/accuracy", True),
        (["trainer.prune.keep=0.3"], "val/loss", False),
    ],
)
def test_only_values_that_can_be_compared_are(words, metric, same):
    one, other = (compose([*WORDS, *more]).tree for more in ([], words))
    assert (comparable(one, metric) == comparable(other, metric)) is same


def test_jobs_of_a_stack_with_other_data_are_ranked_separately(tmp_path):
    found = jobs(0.1, 0.2, words=["dataset.noise=0.1"]) + jobs(0.1, 0.2, words=["dataset.noise=0.3"])
    rungs = SweepRungs(found, [place(tmp_path, str(i)) for i in range(4)])
    rungs.report(2, {0: 1.0, 1: 2.0, 2: 4.0, 3: 3.0})
    assert [(each.rank, each.of) for each in rungs.standings(2).values()] == [(1, 2), (2, 2), (2, 2), (1, 2)]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([["optimizer.lr=0.1"], ["optimizer.lr=0.2"]], None),
        ([["seed=0"], ["seed=1"]], "no effect (got [2]); all jobs have one setting"),
        ([["dataset.n=60"], ["dataset.n=80"]], "no effect (got [2]); all settings differ in data set or loss"),
        ([["dataset.n=60"], ["dataset.n=80"], ["optimizer.lr=0.2"]], "jobs are compared in 2 groups"),
        ([["trainer.prune.at=[]"], ["trainer.prune.at=[]", "seed=1"]], None),
        ([["trainer.prune.at=[]", "trainer.prune.keep=0.3"]], "no effect without the epochs trainer.prune.at"),
    ],
)
def test_a_sweep_says_what_is_not_compared(own, said):
    found = sweep_warnings([prepare(compose([*WORDS, *words])) for words in own])
    assert [said in line for line in found] == ([True] if said else [])


def test_a_failed_stack_is_pruned_as_if_nothing_had_failed(whole, tmp_path, monkeypatch):
    validate = Trainer.validate

    def validated(self, ends=True):
        if self.epoch == 3 and len(self.stack.members) > 1:  # the two that were kept
            raise ValueError("a bad job")
        validate(self, ends)

    monkeypatch.setattr(Trainer, "validate", validated)
    run_stack(jobs(*RATES), [place(tmp_path, str(i)) for i in range(4)])
    assert ends(tmp_path) == ends(whole)
    assert [read_state(tmp_path / str(i))["reason"] for i in range(4)] == [
        read_state(whole / str(i))["reason"] for i in range(4)
    ]


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '{"a": {"2": {"0": [1]}}}', '{"a": {"2": {"0": ["s", "x"]}}}', "[", '{"a": {"2": []}}']
)
def test_a_damaged_file_of_rungs_is_an_error(text, tmp_path):
    (tmp_path / "rungs.json").write_text(text)
    with pytest.raises(DataError, match=r"rungs\.json"):
        read_rungs(tmp_path)


def test_the_order_of_the_stacks_does_not_matter_for_equal_values(tmp_path):
    found = jobs(0.1, 0.1)
    for name in ("10", "9"):  # 9 comes first, although it came last
        rungs = SweepRungs(found[:1], [place(tmp_path, name)])
        rungs.report(2, {0: 1.0})
        assert rungs.standings(2)[0].rank == 1


def test_pruning_that_is_not_used_changes_no_hash():
    tree = json.loads(json.dumps(compose(WORDS[:-1]).tree))
    before = {**tree, "trainer": {key: value for key, value in tree["trainer"].items() if key != "prune"}}
    assert config_hash(before) == config_hash(tree) != config_hash(compose(WORDS).tree)


@pytest.mark.slow
def test_a_pruned_sweep_from_the_shell(tmp_path):
    words = ["dataset=spirals", "dataset.n=60", "model.hidden=6", "trainer.epochs=4", "trainer.prune.at=[2]"]
    words += ["optimizer.lr=0.001,0.1,0.3,0.01", "trainer.checkpoint_at_end=true"]
    done = stackprop(tmp_path, "-m", *words)
    assert done.returncode == 0, done.stderr
    (sweep,) = tmp_path.glob("runs/sweep-*")
    assert ends(sweep) == ["pruned", "pruned", "finished", "finished"]
    before = (sweep / "0" / "run.json").read_bytes()
    again = stackprop(tmp_path, "-m", f"sweep.resume={sweep.name}")
    assert "4 of 4 jobs had finished; 0 to go" in again.stdout
    assert (sweep / "0" / "run.json").read_bytes() == before
    listed = stackprop(tmp_path, "list", f"sweep={sweep.name}", "status=pruned", "--csv")
    assert listed.stdout.count("has rank ") == 2
    refused = stackprop(tmp_path, "resume", f"{sweep.name}/0")
    assert (refused.returncode, "the run has ended (pruned)" in refused.stderr) == (2, True)
    longer = stackprop(tmp_path, "resume", f"{sweep.name}/0", "trainer.epochs=+1")
    assert longer.returncode == 0, longer.stderr
    newest = max(tmp_path.glob("runs/2*/run.json"), key=lambda path: path.stat().st_mtime)
    state = json.loads(newest.read_text())
    assert (state["status"], state["kept"]["epochs"]) == ("finished", 5)


@pytest.mark.slow
def test_stacks_in_processes_share_their_rungs(tmp_path):
    words = [*WORDS, "model.hidden=6,5,4", "optimizer.lr=0.001,0.01", "hydra.launcher.n_jobs=2"]
    done = stackprop(tmp_path, "-m", *words)
    assert done.returncode == 0, done.stderr
    (sweep,) = tmp_path.glob("runs/sweep-*")
    assert {len(jobs) for epochs in read_rungs(sweep).values() for jobs in epochs.values()} == {6}
    assert set(ends(sweep, 6)) == {"pruned", "finished"}
