"""A store that was lost: `stackprop doctor` sends figures and models of single runs too."""

import shutil
import sqlite3

from framework.cli.command_line import execute


def of_store(tmp_path, query):
    with sqlite3.connect(tmp_path / "runs" / "mlflow.db") as connection:
        return connection.execute(query).fetchall()


def artifacts(tmp_path):
    """The files in the artifacts of the runs and models, without the random names of their folders."""
    places = (
        path.relative_to(tmp_path / "runs" / "artifacts").parts for path in (tmp_path / "runs").rglob("artifacts/**/*")
    )
    return sorted({parts[-2:] for parts in places if "." in parts[-1]})


def test_figures_and_model_of_a_run_are_sent_to_a_new_store(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    assert execute(["dataset=iris", "trainer.epochs=1", "notes=why"]) == 0  # a page from the start
    before, models = artifacts(tmp_path), of_store(tmp_path, "SELECT name FROM logged_models")
    assert ("figures", "confusion.png") in before
    assert len(models) == 1
    for lost in (tmp_path / "runs").glob("mlflow.db*"):
        lost.unlink()
    shutil.rmtree(tmp_path / "runs" / "artifacts")
    assert execute(["doctor"]) == 0
    assert (artifacts(tmp_path), of_store(tmp_path, "SELECT name FROM logged_models")) == (before, models)
    assert execute(["doctor"]) == 0  # nothing is sent twice
    assert len(of_store(tmp_path, "SELECT name FROM logged_models")) == 1


def test_a_run_whose_data_are_gone_is_sent_without_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    assert execute(["dataset=csv", "dataset.path=a.csv", "dataset.target=y", "trainer.epochs=1"]) == 0
    (tmp_path / "a.csv").unlink()
    for lost in (tmp_path / "runs").glob("mlflow.db*"):
        lost.unlink()
    capsys.readouterr()
    assert execute(["doctor"]) == 0
    printed = capsys.readouterr()
    assert ": now in the store" in printed.out
    assert "its figures and model are not in the store (" in printed.err
