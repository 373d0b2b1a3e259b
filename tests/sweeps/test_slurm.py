"""Stacks as jobs of SLURM, by stubs of its commands: what is lost, what waits, and what is refused."""

import os
import shlex

import pytest

from framework.core.errors import ConfigError
from framework.sweeps.executors import slurm, submitit_engine
from framework.sweeps.executors.cluster import NotNowError, TaskLostError
from framework.sweeps.executors.submitit_engine import Submitit
from framework.sweeps.executors.task import JobEnd, StackTask

pytest.importorskip("submitit", reason="the extra submitit is not installed")
LIMIT = """sbatch: error: QOSMaxSubmitJobPerUserLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, ...)
"""


class Commands:
    """Stubs of SLURM's commands in a folder of PATH."""

    def __init__(self, folder):
        self.folder = folder

    def answer(self, name, text="", error="", status=0):
        """Let a command print a text; its arguments are kept."""
        lines = [
            "#!/bin/sh",
            f'echo "$@" >> {name}.log',
            f"printf %s {shlex.quote(text)}",
            f"printf %s {shlex.quote(error)} >&2",
        ]
        (self.folder / name).write_text("\n".join([lines[0], f"cd {self.folder}", *lines[1:], f"exit {status}"]) + "\n")
        (self.folder / name).chmod(0o755)

    def called(self, name):
        """The arguments of the calls of a command."""
        path = self.folder / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A SLURM that accepts jobs with the number 7, and has no accounting."""
    (tmp_path / "bin").mkdir()
    found = Commands(tmp_path / "bin")
    for name in ("srun", "scontrol", "scancel"):
        found.answer(name)
    found.answer("sbatch", "Submitted batch job 7\n")
    found.answer("squeue", "7|PENDING|Priority\n")
    found.answer("sacct", error="Slurm accounting storage is disabled\n", status=1)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "POLL", 0.0)
    monkeypatch.setattr(submitit_engine, "GONE", 0.0)
    return found


@pytest.fixture
def engine(commands, tmp_path):
    return Submitit(tmp_path / "scripts", "slurm", {"timeout_min": 60, "slurm_partition": "gpu"})


def submitted(engine):
    return engine.submit(StackTask((), "launch"), 0)


def test_a_job_can_be_started_again_by_slurm(engine, tmp_path):
    handle = submitted(engine)
    script = handle.paths.submission_file.read_text()
    assert {"#SBATCH --requeue", "#SBATCH --partition=gpu"} <= set(script.splitlines())
    assert engine.id_of(handle) == "7"


def test_a_wrong_parameter_is_refused_before_a_job_is_submitted(commands, tmp_path):
    error = "sbatch: error: invalid partition specified: nope\nsbatch: error: allocation failure: Invalid partition name\n"
    commands.answer("sbatch", error=error, status=1)
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.parameters: invalid partition specified: nope"):
        Submitit(tmp_path, "slurm", {"slurm_partition": "nope"})
    assert commands.called("sbatch") == ["--test-only"]


def test_an_unknown_parameter_is_refused(commands, tmp_path):
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.parameters: Unknown argument 'colour'"):
        Submitit(tmp_path, "slurm", {"slurm_colour": "red"})


def test_a_submit_limit_holds_the_submission_back(commands, engine):
    commands.answer("sbatch", error=LIMIT, status=1)
    with pytest.raises(NotNowError, match=r"SLURM takes no further job now \(QOSMaxSubmitJobPerUserLimit\)"):
        submitted(engine)


def test_a_submit_limit_does_not_refuse_the_sweep(commands, tmp_path):
    commands.answer("sbatch", error=LIMIT, status=1)
    Submitit(tmp_path, "slurm", {})


@pytest.mark.parametrize(
    ("text", "reason", "later"),
    [
        (LIMIT, "QOSMaxSubmitJobPerUserLimit", True),
        ("sbatch: error: AssocMaxSubmitJobLimit\n", "AssocMaxSubmitJobLimit", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", "Socket timed out", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", "Unable to contact", True),
        ("sbatch: error: QOSMaxWallDurationPerJobLimit\n", "QOSMaxWallDurationPerJobLimit", False),
        ("sbatch: error: Batch job submission failed: Invalid account", "Invalid account", False),
        ("", "no reason is given", False),
    ],
)
def test_a_refusal_is_final_or_temporary(text, reason, later):
    found, may_succeed = slurm.refusal(text)
    assert reason in found
    assert may_succeed is later


def test_a_job_that_slurm_has_ended_without_a_result_is_lost(commands, engine):
    handle = submitted(engine)
    assert engine.ends(handle) is None
    commands.answer("squeue", "7|OUT_OF_MEMORY|OutOfMemory\n")
    with pytest.raises(
        TaskLostError, match=r"its task 7 was ended without a result \(OUT_OF_MEMORY: it needed more mem.*err\)"
    ):
        engine.ends(handle)


def test_a_job_that_slurm_has_forgotten_is_lost(commands, engine):
    handle = submitted(engine)
    commands.answer("squeue", error="slurm_load_jobs error: Invalid job id specified\n", status=1)
    with pytest.raises(TaskLostError, match=r"\(SLURM no longer knows it\) \(see .*7_0_log\.err\)"):
        engine.ends(handle)


def test_the_accounting_gives_the_reason_of_a_forgotten_job(commands, engine):
    handle = submitted(engine)
    commands.answer("squeue")
    commands.answer("sacct", "CANCELLED by 1000\n")
    with pytest.raises(TaskLostError, match="CANCELLED: it was cancelled"):
        engine.ends(handle)


def test_a_slurm_that_does_not_answer_has_lost_nothing(commands, engine):
    handle = submitted(engine)
    commands.answer(
        "squeue", error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", status=1
    )
    assert engine.ends(handle) is None
    (line,) = engine.news()
    assert line.startswith("stackprop: SLURM does not answer (slurm_load_jobs error: Unable to contact")
    assert engine.news() == []
    commands.answer("squeue", "7|RUNNING|None\n")
    assert engine.ends(handle) is None


def test_a_job_that_is_requeued_is_not_lost(commands, engine, monkeypatch):
    monkeypatch.setattr(submitit_engine, "GONE", 60.0)
    handle = submitted(engine)
    for state in ("PREEMPTED", "COMPLETING", "PENDING", "RUNNING", "NODE_FAIL", "REQUEUED"):
        commands.answer("squeue", f"7|{state}|None\n")
        assert engine.ends(handle) is None
    assert not engine.gone


def test_a_job_that_cannot_start_is_reported_once(commands, engine):
    commands.answer("squeue", "7|PENDING|(JobHeldUser)\n")
    assert engine.ends(submitted(engine)) is None
    assert engine.news() == ["stackprop: SLURM job 7 cannot start (JobHeldUser); scontrol show job 7"]
    assert engine.news() == []


def test_a_cancelled_job_is_not_waited_for(commands, engine, monkeypatch):
    monkeypatch.setattr(submitit_engine, "GONE", 60.0)
    handle = submitted(engine)
    engine.cancel(handle)
    assert commands.called("scancel") == ["7"]
    commands.answer("squeue", "7|CANCELLED|None\n")
    with pytest.raises(TaskLostError, match="CANCELLED"):
        engine.ends(handle)


def test_jobs_of_an_earlier_launch_are_found_in_the_queue(commands, engine):
    commands.answer("squeue", "7|RUNNING|None\n8|COMPLETED|None\n")
    assert list(engine.find(["7", "8", "9", "no number"])) == ["7"]
    assert commands.called("squeue")[-1].endswith("--jobs=7,8,9")
    commands.answer("squeue", error="Unable to contact slurm controller\n", status=1)
    with pytest.raises(ConfigError, match=r"SLURM does not answer .* whether jobs 7 still wait; try again later"):
        engine.find(["7"])


def test_an_error_of_a_task_is_named(engine):
    from submitit.core.utils import cloudpickle_dump

    handle = submitted(engine)
    trace = "Traceback (most recent call last):\n  File ...\nModuleNotFoundError: No module named 'framework'\n"
    cloudpickle_dump(("error", trace), handle.paths.result_pickle)
    with pytest.raises(TaskLostError, match=r"its task 7 failed: ModuleNotFoundError: No module named 'framework' \(see"):
        engine.ends(handle)


def test_a_result_on_the_disk_needs_no_queue(commands, engine):
    from submitit.core.utils import cloudpickle_dump

    handle = submitted(engine)
    cloudpickle_dump(("success", [JobEnd({"val/loss": 0.5})]), handle.paths.result_pickle)
    assert engine.ends(handle) == [JobEnd({"val/loss": 0.5})]
    assert commands.called("squeue") == []


def test_tasks_on_this_machine_are_bounded_by_its_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(submitit_engine, "cores", lambda: 8)
    assert Submitit(tmp_path, "local", {"timeout_min": 60}).at_once == 8
    assert Submitit(tmp_path, "local", {"timeout_min": 60, "cpus_per_task": 3}).at_once == 2
