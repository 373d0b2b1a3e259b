"""Tables and arrays from a person's own files: what is read, what is refused, and how new rows follow."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from configs import judged, messages
from user_files import X, Y, again, arrays, many, rng, table

from framework import DataError, discover, generator
from framework.experiments.builder import assemble
from framework.experiments.datasets import load_data
from framework_datasets.csv import Csv
from framework_datasets.npz import Npz

PETS = """weight,colour,legs,kind
4.5,black,4,cat
30,brown,4,dog
0.02,yellow,2,bird
3.5,brown,4,cat
"""


# What is read.


def test_a_small_table_becomes_these_numbers(tmp_path):
    data = table(tmp_path, PETS, "kind").load(rng())
    fields = data.encoding.read(tmp_path / "data.csv", with_target=True)
    assert np.array_equal(
        fields["x"], [[4.5, 1, 0, 0, 4], [30, 0, 1, 0, 4], [0.02, 0, 0, 1, 2], [3.5, 0, 1, 0, 4]]
    )  # weight; black, brown, yellow; legs
    assert fields["y"].tolist() == [1, 2, 0, 1]
    assert list(data.names) == ["bird", "cat", "dog"]
    assert (data.fields["x"].axes, data.fields["x"].kind) == ("NF", "real")
    assert (data.fields["y"].axes, data.fields["y"].kind, data.fields["y"].size) == ("N", "label", 3)
    assert fields["x"].dtype == np.float64


def test_rows_are_shared_out_whole_and_by_the_seed_alone(tmp_path):
    csv = table(tmp_path, many(), val=0.2, test=0.1)
    data, same, other = csv.load(rng()), csv.load(rng()), csv.load(generator(1, "dataset"))
    assert {split: len(fields["y"]) for split, fields in data.splits.items()} == {"train": 42, "val": 12, "test": 6}
    rows = np.concatenate([np.column_stack([fields["x"], fields["y"]]) for fields in data.splits.values()])
    fields = data.encoding.read(csv.path, with_target=True)
    assert np.array_equal(rows[np.argsort(rows[:, 0])], np.column_stack([fields["x"], fields["y"]]))
    assert np.array_equal(data.splits["val"]["x"], same.splits["val"]["x"])
    assert not np.array_equal(data.splits["val"]["x"], other.splits["val"]["x"])


@pytest.mark.parametrize(
    ("labels", "task", "names"),
    [
        (["no", "yes"], "auto", ["no", "yes"]),
        (["1", "10", "2.0", "2"], "auto", ["1", "2", "10"]),
        (["-1", "+1"], "auto", ["-1", "1"]),
        ([str(i) for i in range(20)], "auto", [str(i) for i in range(20)]),
        ([str(i) for i in range(21)], "auto", []),
        ([str(i) for i in range(21)], "classification", [str(i) for i in range(21)]),
        (["0", "1"], "regression", []),
        (["0.5", "1"], "auto", []),
    ],
)
def test_the_target_decides_the_task_unless_it_is_named(tmp_path, labels, task, names):
    data = table(tmp_path, many(63, lambda i: labels[i % len(labels)]), task=task).load(rng())
    assert list(data.names) == names
    y = data.splits["train"]["y"]
    assert (y.shape, data.fields["y"].axes) == (((63,), "N") if names else ((63, 1), "NF"))


def test_several_targets_features_and_dropped_columns(tmp_path):
    content = "id,a,b,c,d\nr1,1,2,3,4.5\nr2,5,6,7,8\nr3,9,8,7,6\n"
    data = table(tmp_path, content, ["d", "b"], drop=["id"]).load(rng())
    fields = data.encoding.read(tmp_path / "data.csv", with_target=True)
    assert fields["x"].tolist() == [[1, 3], [5, 7], [9, 7]]
    assert fields["y"].tolist() == [[4.5, 2], [8, 6], [6, 8]]
    chosen = table(tmp_path, content, "d", features=["c", "a"]).load(rng())
    assert chosen.encoding.read(tmp_path / "data.csv", with_target=False)["x"].tolist() == [[3, 1], [7, 5], [7, 9]]


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        (PETS.encode("utf-8-sig"), ","),
        (PETS.replace("\n", "\r\n"), ","),
        (PETS.replace("\n", "\r"), ","),
        (PETS.rstrip(), ","),
        (PETS.replace("\n", "\n\n") + "\n  \n", ","),
        (PETS.replace(",", " , "), ","),
        (PETS.replace("brown", '"brown"'), ","),
        (PETS.replace(",", ";"), ";"),
        (PETS.replace(",", ";"), "auto"),
        (PETS, "auto"),
        (PETS.replace(",", "\t"), "auto"),
        (PETS.replace(",", "\t"), "tab"),
        (PETS.replace(",", "|"), "auto"),
        (PETS.replace(",", "|"), "bar"),
        (PETS.replace(",", ";"), "semicolon"),
        (PETS, "comma"),
    ],
)
def test_ways_to_write_the_same_table(tmp_path, content, delimiter):
    plain = table(tmp_path, PETS, "kind").load(rng())
    data = table(tmp_path, content, "kind", delimiter=delimiter).load(rng())
    assert all(np.array_equal(plain.splits["train"][name], a) for name, a in data.splits["train"].items())


def test_auto_looks_at_the_beginning_of_a_long_file_only(tmp_path):
    data = table(tmp_path, many(3000).replace(",", ";"), delimiter="auto").load(rng())
    assert data.splits["train"]["x"].shape == (3000, 2)


def test_words_of_every_language_and_quoted_delimiters(tmp_path):
    content = 'größe,stadt,y\n1,"Köln, Rhein",ja\n2,"São\nPaulo",nein\n3,東京,ja\n'
    data = table(tmp_path, content).load(rng())
    assert data.encoding.features[1].categories == ("Köln, Rhein", "São\nPaulo", "東京")


def test_a_relative_path_begins_at_the_current_folder(tmp_path, monkeypatch):
    table(tmp_path, PETS, "kind")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("data.csv", "./data.csv", "~/data.csv"):
        assert Csv(path, "kind", val=0, test=0).load(rng()).shapes() == {"x": (5,), "y": ()}


def test_a_classifier_learns_from_a_table(tmp_path):
    table(tmp_path, many(label=lambda i: "small" if i < 30 else "large"))
    settings = judged(f"{{dataset: {{type: csv, path: {tmp_path}/data.csv, target: y, scale: standard, seed: 4}}}}")
    assert (settings.dataset_scale, settings.dataset_seed) == ("standard", 4)
    learner = assemble(settings, load_data(settings))
    assert learner.network.nodes["out"].layer.units == 2
    assert type(learner.heads["loss"].loss).__name__ == "SoftmaxCrossEntropy"


# What is refused in a table.

FAULTS = {
    "empty": ("", {}, "data.csv: the file is empty"),
    "blank": (" \n\n", {}, "data.csv: the file is empty"),
    "a blank in quotes": ('""\n', {}, "data.csv: the file is empty"),
    "no header": ("1,2,0\n3,4,1\n", {}, "line 1 holds only numbers (1, 2, 0); the first line must name the columns"),
    "header only": ("a,b,y\n", {}, "there is no row below the header"),
    "nameless column": (",a,y\n1.5,2,3\n", {}, "line 1: column 1 has no name"),
    "another nameless column": ("a,,y\n1,2,3\n", {}, "line 1: column 2 has no name"),
    "one name twice": ("a,b,a,y\n1,2,3,4\n", {}, "line 1: 'a' is the name of columns 1 and 3"),
    "short row": ("a,b,y\n1,2,0\n3,4\n", {}, "line 3: expected 3 fields, as on line 1, but got 2"),
    "long row": ("a,b,y\n1,2,0\n\n3,4,1,5\n", {}, "line 4: expected 3 fields, as on line 1, but got 4"),
    "row after a quoted line break": ('a,b,y\n1,"2\n2",0\n3,4\n', {}, "line 4: expected 3 fields"),
    "open quotation mark": ('a,b,y\n1,2,0\n3,"4,1\n5,6,0\n', {}, "line 3: unexpected end of data; look for an unmatched"),
    "empty cell": ("a,b,y\n1,2,0\n3,,1\n", {}, "line 3, column 'b': the cell is empty"),
    "empty cell among words": ("a,b,y\n1,u,0\n3, ,1\n", {}, "line 3, column 'b': the cell is empty"),
    "empty target": ("a,b,y\n1,2,0\n3,4,\n", {}, "line 3, column 'y': the cell is empty"),
    "nan": ("a,b,y\n1,2,0\n3,NaN,1\n", {}, "line 3, column 'b': 'NaN' is not a finite number"),
    "inf": ("a,b,y\n1,2,0\n-inf,3,1\n", {}, "line 3, column 'a': '-inf' is not a finite number"),
    "nan in the target": ("a,b,y\n1,2,0.5\n3,4,nan\n", {}, "line 3, column 'y': 'nan' is not a finite number"),
    "too large": ("a,b,y\n1,2,0\n1e999,3,1\n", {}, "line 3, column 'a': '1e999' is not a finite number"),
    "text among numbers": ("a,b,y\n1,2,0\n3,4,1\nold,5,1\n", {}, "line 4, column 'a': 'old' is text in a column of numbers"),
    "number among words": ("a,b,y\n1,u,0\n3,v,1\n4,7,1\n", {}, "line 4, column 'b': '7' is a number in a column of text"),
    "text among target numbers": ("a,b,y\n1,2,.5\n3,4,.6\n5,6,?\n", {}, "line 4, column 'y': '?' is text in a column of"),
    "an underscore": ("a,b,y\n1,2,0\n3,4,1\n1_000,5,1\n", {}, "line 4, column 'a': '1_000' is text in a column of numbers"),
    "decimal comma": ('a,b,y\n"1,5",2,0\n"2,5",3,1\n', {}, "numbers need a decimal point"),
    "another delimiter": ("a;b;y\n1;2;0\n", {}, "line 1 is one column, 'a;b;y'; did you mean dataset.delimiter=semicolon?"),
    "tabs": ("a\tb\ty\n1\t2\t0\n", {}, "did you mean dataset.delimiter=tab?"),
    "no delimiter to see": ("a\nb\nc\n", {"delimiter": "auto"}, "the delimiter was not detected; set it"),
    "no delimiter": (PETS, {"delimiter": ",,"}, "dataset.delimiter: ',,' is not one character, and none of"),
    "unknown target": (PETS, {"target": "kid"}, "dataset.target: unknown column 'kid' in the header; did you mean 'kind'?"),
    "unknown feature": (PETS, {"target": "kind", "features": ["leg"]}, "dataset.features: unknown column 'leg'"),
    "unknown drop": (PETS, {"target": "kind", "drop": ["color"]}, "dataset.drop: unknown column 'color'"),
    "target as feature": (PETS, {"target": "kind", "features": ["legs", "kind"]}, "column 'kind' is in dataset.target and"),
    "dropped target": (PETS, {"target": "kind", "drop": ["kind"]}, "column 'kind' is in dataset.target and in dataset.drop"),
    "dropped features": (PETS, {"target": "kind", "features": ["legs"], "drop": ["legs"]}, "no column is left for the"),
    "nothing left": ("a,y\n1,0\n2,1\n", {"drop": ["a"]}, "no column is left for the features"),
    "no target": ("a,y\n1,0\n2,1\n", {"target": []}, "no column is left for dataset.target"),
    "constant number": ("a,b,y\n7,1,0\n7.0,2,1\n", {}, "column 'a' is constant on the training split: '7"),
    "constant word": ("a,b,y\nu,1,0\nu,2,1\n", {}, "leave it out: dataset.drop=[a]"),
    "constants": ("a,b,c,y\nu,1,3,0\nu,2,3,1\n", {}, "leave it out: dataset.drop=[a,c]"),
    "one more constant": ("a,b,c,y\nu,1,3,0\nu,2,3,1\n", {"drop": ["a"]}, "leave it out: dataset.drop=[a,c]"),
    "constant with a long name": ("a (cm),b,y\n7,1,0\n7,2,1\n", {}, "leave it out: 'dataset.drop=[\"a (cm)\"]'"),
    "one class": ("a,b,y\n1,2,u\n3,4,u\n", {}, "column 'y' holds a single class, 'u' in every row, from line 2 on"),
    "one class spelled twice": ("a,b,y\n1,2,1\n3,4,01\n", {}, "'1' in every row, written '1' and '01', "),
    "fraction as label": ("a,y\n1,0\n2,1.5\n", {"task": "classification"}, "line 3, column 'y': '1.5' is a fraction"),
    "words for regression": ("a,y\n1,u\n2,v\n", {"task": "regression"}, "line 2, column 'y': 'u' is text, but regression"),
    "words among targets": ("a,y,z\n1,1,v\n2,2,v\n", {"target": ["y", "z"]}, "line 2, column 'z': 'v' is text, but"),
    "two columns of labels": ("a,y,z\n1,1,1\n2,2,2\n", {"target": ["y", "z"], "task": "classification"},
                              "line 3, column 'y': '2' is not 0 or 1; several columns of labels hold 1 where"),
    "one row": ("a,b,y\n1,2,0\n", {}, "1 row is too few to split"),
    "few rows": ("a,b,y\n1,2,0\n3,4,1\n", {"val": 0.2, "test": 0.2}, "2 rows are too few to split: dataset.val=0.2 and"),
    "no validation": (many(4), {"val": 0.1}, "4 rows are too few to split: dataset.val=0.1 would leave 4 for training, 0"),
    "nothing to train on": (many(20), {"val": 0.6, "test": 0.6}, "would leave 0 for training, 12 for validation and 12"),
    "labels seen once": (many(label=lambda i: f"n{i}"), {"val": 0.9}, "line 2, column 'y': the label 'n0' is in no row"),
    "categories seen once": (many(label=lambda i: f"n{i}", header="u,y,c"), {"val": 0.9},
                             "column 'c' has 60 different texts in 60 rows; 0/1 columns are for categories"),
    "a long text": (f'a,b,y\n1,2,0\n3,4,1\n"{"long " * 99}\n",5,1\n', {}, "line 4, column 'a': 'long long"),
    "latin-1": ("a,b,y\n1,2,0\n3,4,ä\n".encode("latin-1"), {}, "line 3: this is not UTF-8 text (byte 0xe4); set "),
    "utf-16 without its mark": (PETS.encode("utf-16-le"), {}, "it holds zero bytes, so it is not UTF-8 text"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_a_table_is_named_with_its_place(tmp_path, content, options, expected):
    with pytest.raises(DataError) as caught:
        table(tmp_path, content, **options).load(rng())
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/data.csv: ")
    assert "\n" not in str(caught.value)


def test_numbers_that_could_be_a_regression_say_so(tmp_path):
    with pytest.raises(
        DataError, match=r"line \d, column 'y': the label '\d' .*, or use the numbers unchanged \(dataset.task=reg"
    ):
        table(tmp_path, many(20, label=lambda i: i), val=0.9).load(rng())


def test_a_column_of_names_is_no_category(tmp_path):
    content = "name,y\n" + "".join(f"person{i},{i % 2}\n" for i in range(1001))
    with pytest.raises(DataError, match=r"column 'name' has 1001 different texts in 1001 rows; .* dataset.drop=\[name\]"):
        table(tmp_path, content).load(rng())


def test_the_columns_of_a_wide_table_are_not_all_listed(tmp_path):
    content = ",".join(f"pixel{i}" for i in range(100)) + "\n" + ",".join(["1"] * 100)
    with pytest.raises(DataError) as caught:
        table(tmp_path, content, "pixl7").load(rng())
    assert str(caught.value).endswith("unknown column 'pixl7' in the header; did you mean 'pixel7'?")


@pytest.mark.parametrize("dataset", ["csv", "npz"])
def test_a_path_that_leads_to_no_file(tmp_path, dataset, monkeypatch):
    def load(path):
        component = Csv(path, "y") if dataset == "csv" else Npz(path)
        with pytest.raises(DataError) as caught:
            component.load(rng())
        return str(caught.value)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris.csv").write_text(PETS)
    (tmp_path / "notes.doc").write_text("")
    assert load("iriss.csv") == f"iriss.csv: this file does not exist in {tmp_path}; did you mean 'iris.csv'?"
    assert load("qqq") == f"qqq: this file does not exist in {tmp_path} (there are: iris.csv)"
    assert load("no/where.csv") == f"no/where.csv: this file does not exist; the folder {tmp_path}/no does not exist either"
    assert load(str(tmp_path)) == f"{tmp_path}: this is a folder; give a file in it (there are: iris.csv)"
    assert load("notes.doc") == "notes.doc: the file is empty"
    assert load("x" * 300) == f"{'x' * 300}: cannot be read (File name too long)"


@pytest.mark.parametrize("dataset", ["csv", "npz"])
def test_a_file_that_may_not_be_read(tmp_path, dataset, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    csv = table(tmp_path, PETS)
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match=r"data.csv: cannot be read \(Permission denied\)"):
        (csv if dataset == "csv" else Npz(csv.path)).load(rng())


def test_a_missing_path_and_target_are_asked_for(tmp_path):
    assert messages("{dataset: {type: csv}}") == [
        "dataset.path: missing; dataset 'csv' needs it (the file, relative to the current folder)",
        "dataset.target: missing; dataset 'csv' needs it (the column to predict; or several columns of numbers or labels)",
    ]
    assert messages("{dataset: {type: npz}}") == [
        "dataset.path: missing; dataset 'npz' needs it (the file, relative to the current folder)"
    ]
    assert messages("{dataset/scale: standart}")[0].startswith(
        "dataset.scale: 'standart' is not allowed; did you mean 'standard'?"
    )
    assert judged().dataset_scale == "none"


def test_the_shell_ends_with_status_2_in_words(tmp_path):
    table(tmp_path, "a (cm),b,y\n" + "7,u,0\n7,v,1\n" * 10)
    command = [Path(sys.executable).with_name("stackprop"), "dataset=csv", "dataset.path=data.csv", "dataset.target=y"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    line = r"stackprop: data.csv: column 'a \(cm\)' is constant .* leave it out: '(dataset.drop=\[.*\])'\n"
    advice = re.fullmatch(line, done.stderr)[1]
    done = subprocess.run(
        [*command, advice, "tracking=none", "trainer.steps=2"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0


# New rows for a trained network.


def test_new_rows_are_read_as_the_training_rows_were(tmp_path):
    encoding = again(table(tmp_path, PETS, "kind").load(rng()))
    new = tmp_path / "new.csv"
    new.write_text("legs,kind,extra,colour,weight\n4,dog,q,yellow,9\n2,cat,q,black,1\n")
    fields = encoding.read(new, with_target=True)
    assert fields["x"].tolist() == [[9, 0, 0, 1, 4], [1, 1, 0, 0, 2]]
    assert fields["y"].tolist() == [2, 1]
    new.write_text("legs,colour,weight\n4,yellow,9\n")
    assert list(encoding.read(new, with_target=False)) == ["x"]


@pytest.mark.parametrize("targets", ["y", ["v", "u"]])
def test_an_encoding_comes_back_from_json(tmp_path, targets):
    header = "u,v,y" if targets == "y" else "u,v,k"
    data = table(tmp_path, many(header=header), targets, delimiter="auto").load(rng())
    assert again(data) == data.encoding
    assert all(isinstance(value, tuple) for value in (again(data).features, again(data).target.names))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("weight,legs,kind\n1,4,cat\n", "a feature that the model reads: unknown column 'colour' in the header"),
        ("weight,colour,legs\n1,brown,4\n", "the target: unknown column 'kind' in the header"),
        (PETS + "1,green,4,dog\n", "line 6, column 'colour': the category 'green' was in no row of the training split"),
        (
            PETS + "1,brown,4,fox\n",
            "line 6, column 'kind': the label 'fox' was in no row of the training split (there are: bird, cat, dog)",
        ),
        (PETS + "1,,4,dog\n", "line 6, column 'colour': the cell is empty"),
        (PETS + "heavy,brown,4,dog\n", "line 6, column 'weight': 'heavy' is text in a column of numbers"),
        (PETS + "nan,brown,4,dog\n", "line 6, column 'weight': 'nan' is not a finite number"),
        (PETS + "1,brown,4\n", "line 6: expected 4 fields, as on line 1, but got 3"),
    ],
)
def test_new_rows_with_a_fault_are_named(tmp_path, content, expected):
    encoding = table(tmp_path, PETS, "kind").load(rng()).encoding
    new = tmp_path / "new.csv"
    new.write_text(content)
    with pytest.raises(DataError) as caught:
        encoding.read(new, with_target=True)
    assert expected in str(caught.value)


def test_labels_that_are_numbers_are_found_however_they_are_written(tmp_path):
    encoding = table(tmp_path, many(label=lambda i: 3 + 2 * (i % 2))).load(rng()).encoding
    (tmp_path / "new.csv").write_text("u,v,y\n1,2,5.0\n1,2,3\n")
    assert encoding.read(tmp_path / "new.csv", with_target=True)["y"].tolist() == [1, 0]


def test_an_empty_cell_of_a_file_with_one_column_is_no_empty_line(tmp_path):
    encoding = table(tmp_path, "u,y\n1,0\n2,1\n").load(rng()).encoding
    (tmp_path / "new.csv").write_text('u\n1\n""\n2\n')
    with pytest.raises(DataError, match="line 3, column 'u': the cell is empty"):
        encoding.read(tmp_path / "new.csv", with_target=False)


# Arrays.


@pytest.mark.parametrize(
    ("x", "y", "axes", "target"),
    [
        (X, Y, "NF", ("N", "label", 2)),
        (X.astype(np.float32), Y.astype(bool), "NF", ("N", "label", 2)),
        (X.astype(np.uint8).reshape(20, 1, 2), Y / 2, "NTF", ("NF", "real", 0)),
        (X.reshape(20, 2, 1, 1), X, "NCHW", ("NF", "real", 0)),
    ],
)
def test_arrays_become_fields_by_their_dimensions(tmp_path, x, y, axes, target):
    data = arrays(tmp_path, x=x, y=y).load(rng())
    assert data.fields["x"].axes == axes
    assert dataclasses.astuple(data.fields["y"])[:3] == target
    train = data.splits["train"]
    order = np.argsort(train["x"].reshape(20, -1)[:, 0])
    assert np.array_equal(train["x"][order], x)
    assert train["x"].dtype == np.float64
    assert np.array_equal(train["y"][order], y if y.ndim == 2 or target[0] == "N" else y[:, None])
    assert list(data.names) == (["0", "1"] if target[0] == "N" else [])


def test_the_task_of_arrays_can_be_named(tmp_path):
    assert arrays(tmp_path, {"task": "regression"}, x=X, y=Y).load(rng()).fields["y"].axes == "NF"
    assert arrays(tmp_path, {"task": "classification"}, x=X, y=Y.astype(float)).load(rng()).fields["y"].size == 2


def test_rows_of_arrays_are_shared_out(tmp_path):
    data = arrays(tmp_path, {"val": 0.2, "test": 0.1, "x": "inputs", "y": "out"}, inputs=X, out=Y).load(rng())
    assert {split: len(fields["x"]) for split, fields in data.splits.items()} == {"train": 14, "val": 4, "test": 2}


def test_splits_that_are_given_stay_as_they_are(tmp_path):
    where = {"train": slice(12), "val": slice(12, 16), "test": slice(16, 20)}
    parts = {f"{name}_{split}": a[rows] for split, rows in where.items() for name, a in (("x", X), ("y", Y))}
    data = arrays(tmp_path, {"val": 0.2, "test": 0.2}, **parts).load(rng())
    assert list(data.splits) == ["train", "val", "test"]
    assert all(
        np.array_equal(a, parts[f"{name}_{split}"]) for split, fields in data.splits.items() for name, a in fields.items()
    )


def test_without_given_validation_some_training_rows_are_drawn_for_it(tmp_path):
    parts = {"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": Y[:5]}
    sizes = {k: len(v["x"]) for k, v in arrays(tmp_path, {"val": 0.2, "test": 0.2}, **parts).load(rng()).splits.items()}
    assert sizes == {"train": 16, "val": 4, "test": 5}
    assert list(arrays(tmp_path, **parts).load(rng()).splits) == ["train", "test"]


def spoiled(a, at, value):
    a = a.astype(float)
    a[at] = value
    return a


ARRAY_FAULTS = {
    "no y": ({"x": X, "target": Y}, {}, "unknown array 'y' (there are: target, x)"),
    "no x": ({"y": Y}, {}, "unknown array 'x'"),
    "no y_val": ({"x_train": X, "y_train": Y, "x_val": X}, {}, "unknown array 'y_val'"),
    "objects": ({"x": X, "y": np.array([{}] * 20)}, {}, "array 'y' holds Python objects; save an array of numbers"),
    "words": ({"x": X, "y": np.array(["a", "b"] * 10)}, {}, "array 'y' holds text, not real numbers; classes are"),
    "complex": ({"x": X * 1j, "y": Y}, {}, "array 'x' holds complex128, not real numbers"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, {}, "array 'y' is empty (shape (0,))"),
    "no features": ({"x": X[:, :0], "y": Y}, {}, "array 'x' is empty (shape (20, 0))"),
    "different lengths": ({"x": X, "y": Y[:-1]}, {}, "'x' has 20 rows, but 'y' has 19"),
    "one-dimensional x": ({"x": X[:, 0], "y": Y}, {}, "array 'x' has shape (20,); use (n, F), (n, T, F) or (n"),
    "three-dimensional y": ({"x": X, "y": X.reshape(20, 1, 2)}, {}, "array 'y' has shape (20, 1, 2); use (n,) or"),
    "nan": ({"x": spoiled(X, (3, 1), np.nan), "y": Y}, {}, "x[3, 1] (counted from 0) is nan; leave out such rows"),
    "infinities": ({"x": X, "y": spoiled(Y, slice(4, 7), -np.inf)}, {}, "y[4] (counted from 0) is -inf, and 2 more"),
    "fraction as label": ({"x": X, "y": Y / 2}, {"task": "classification"}, "y[1] (counted from 0) is 0.5: a label must"),
    "negative label": ({"x": X, "y": Y - 1}, {}, "y[0] (counted from 0) is -1: a label must not be negative"),
    "columns as labels": ({"x": X, "y": X}, {"task": "classification"}, "array 'y' has shape (20, 2); use (n,) (for"),
    "labels from 1": ({"x": X, "y": Y + 1}, {}, "is 1, but 0 is missing; classes must count from 0 without a gap"),
    "a gap": ({"x": X, "y": 2 * Y}, {}, "is 2, but 1 is missing; classes must count from 0 without a gap"),
    "one class": ({"x": X, "y": 0 * Y}, {}, "array 'y' holds a single class, 0, from y["),
    "too few": ({"x": X[:3], "y": Y[:3]}, {"val": 0.5}, "3 rows are too few to split: dataset.val=0.5 would leave 1 for"),
    "labels seen once": ({"x": X, "y": np.arange(20)}, {"val": 0.8}, "in the val split, but no training row has that"),
    "label of one split": ({"x_train": X, "y_train": Y, "x_val": X, "y_val": Y + 1}, {}, "y_val[1] (counted from 0) is 2"),
    "other features": ({"x_train": X, "y_train": Y, "x_val": X[:, :1], "y_val": Y}, {}, "array 'x_val' has shape (20, 1)"),
    "other outputs": ({"x_train": X, "y_train": X, "x_val": X, "y_val": Y / 2}, {}, "array 'y_val' has shape (20,); the"),
    "other dimensions": ({"x_train": X, "y_train": Y, "x_val": X[None], "y_val": Y}, {}, "has shape (1, 20, 2); the"),
}  # fmt: skip


@pytest.mark.parametrize(("contents", "options", "expected"), ARRAY_FAULTS.values(), ids=ARRAY_FAULTS)
def test_a_fault_of_arrays_is_named_with_its_place(tmp_path, contents, options, expected):
    with pytest.raises(DataError) as caught:
        arrays(tmp_path, options, **contents).load(rng())
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/data.npz: ")


def test_what_is_no_npz_file(tmp_path):
    path = tmp_path / "data.npz"

    def fault():
        with pytest.raises(DataError) as caught:
            Npz(str(path)).load(rng())
        return str(caught.value)

    path.write_text(PETS)
    assert fault() == f"{path}: this is not an npz file; use numpy.savez, or dataset=csv for a table"
    np.save(tmp_path / "one.npy", X)
    path.write_bytes((tmp_path / "one.npy").read_bytes())
    assert "this is a single array (npy); use numpy.savez('data.npz', x=..., y=...)" in fault()
    arrays(tmp_path, x=X, y=Y)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "this is not an npz file" in fault()
    path.write_bytes(whole.replace(X.tobytes()[64:128], bytes(64)))
    assert "array 'x' cannot be read (Bad CRC-32" in fault()


def test_python_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    with pytest.raises(DataError, match="holds Python objects"):
        arrays(tmp_path, x=np.array([Trap()] * 4), y=Y[:4]).load(rng())


def test_new_arrays_are_read_as_the_training_arrays_were(tmp_path):
    sequences = np.arange(120.0).reshape(20, 3, 2)
    data = arrays(tmp_path, x=sequences, y=Y).load(rng())
    encoding = again(data)
    assert encoding == data.encoding
    longer = np.ones((4, 7, 2))
    np.savez(tmp_path / "new.npz", x=longer, y=[0, 1, 1, 0])
    fields = encoding.read(tmp_path / "new.npz", with_target=True)
    assert np.array_equal(fields["x"], longer)
    assert fields["y"].tolist() == [0, 1, 1, 0]
    np.savez(tmp_path / "new.npz", x=longer)
    assert list(encoding.read(tmp_path / "new.npz", with_target=False)) == ["x"]
    np.savez(tmp_path / "new.npz", x=longer[:, :, :1], y=[0, 1, 2, 0])
    with pytest.raises(DataError, match=r"array 'x' has shape \(4, 7, 1\); the training split has \(n, T, 2\)"):
        encoding.read(tmp_path / "new.npz", with_target=True)
    np.savez(tmp_path / "new.npz", x=longer, y=[0, 1, 2, 0])
    with pytest.raises(DataError, match=r"y\[2\] \(counted from 0\) is 2; training labels go up to 1"):
        encoding.read(tmp_path / "new.npz", with_target=True)


@pytest.mark.parametrize(("stride", "starts"), [(None, [0, 5, 10]), (2, [0, 2, 4])])
def test_windows_of_a_text_begin_a_stride_apart(tmp_path, stride, starts):
    (tmp_path / "a.txt").write_text("abcdefghijklmnopqrstuvwxyz" * 3)
    text = discover().get("dataset", "text")(str(tmp_path / "a.txt"), length=5, stride=stride, val=0.0, test=0.0)
    x = text.load(generator(0, "dataset")).splits["train"]["x"]
    assert x[:3, 0].tolist() == starts
