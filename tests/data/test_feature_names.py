"""Names of features: in the model's file, in `stackprop summary`, in the figure of weights, and in errors."""

import json

import numpy as np
import pytest

from framework import Data, DataError, Field, run
from framework.analysis.figures import filters
from framework.cli.commands import predict, summary
from framework.data.validation import checked
from framework.inference.model import read_about

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """A folder with pets.csv: a number, a category, and a number to predict."""
    rows = "".join(f"{i % 9 + 1},{['cat', 'dog'][i % 2]},{i / 3}\n" for i in range(30))
    (tmp_path / "pets.csv").write_text("weight,kind,age\n" + rows)
    monkeypatch.chdir(tmp_path)
    return ["dataset=csv", "dataset.path=pets.csv", "dataset.target=age", "model.hidden=3", "tracking=none"]


def test_names_of_features_are_saved_with_the_model(pets, capsys):
    found = run(*pets, "trainer.epochs=1")
    names = ("weight", "kind=cat", "kind=dog")
    assert found.model.about.fields["x"].features == names
    assert found.model.about.fields["y"].features == ("age",)
    labels = [label.get_text() for label in filters._features(found.folder).axes[0].get_yticklabels()]
    assert labels == list(names)
    with pytest.raises(DataError, match=r"has shape \(2, 2\); the training split has \(n, 3\): weight, kind=cat, kind=dog"):
        found.model.predict(np.ones((2, 2)))
    capsys.readouterr()
    predict.main([str(found.folder), "pets.csv"])
    assert capsys.readouterr().out.startswith("age\n")


def test_a_summary_lists_the_features(pets, capsys):
    summary.main(pets)
    assert "x: weight, kind=cat, kind=dog\ny: age\n" in capsys.readouterr().out


def test_models_of_older_versions_have_no_names(pets):
    folder = run(*pets, "trainer.epochs=1").folder
    about = json.loads((folder / "model.json").read_text())
    for field in about["fields"].values():
        del field["features"]
    (folder / "model.json").write_text(json.dumps(about))
    assert read_about(folder)[0].fields["x"].features == ()
    assert filters._features(folder).axes[0].get_yticklabels()[0].get_text() == "0"


def test_an_error_names_the_feature():
    fields = {"x": Field("NF", features=("weight", "age"))}
    with pytest.raises(DataError, match=r"holds nan in row 1 \(counted from 0\), feature 'age'; real fields hold finite"):
        checked(Data({"train": {"x": np.array([[1, 2], [3, np.nan]])}}, fields))
    with pytest.raises(DataError, match=r"'x' has shape \(1, 1\), but 2 features: weight, age"):
        checked(Data({"train": {"x": np.ones((1, 1))}}, fields))


def test_only_numbers_have_features():
    with pytest.raises(ValueError, match="only real fields with an axis F have them"):
        Field("N", "label", 2, features=("a", "b"))
