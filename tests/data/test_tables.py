"""Tables as people have them: missing values, no header, decimal commas, an index column, classes with few rows."""

import numpy as np
import pytest
from user_files import again, many, rng, table

from framework import DataError, run, sweep
from framework.cli.commands import predict
from framework.cli.commands.reading import read_fields
from framework.core.errors import ConfigError
from framework.data.precision import indistinct
from framework.data.scaling import fit, scaled
from framework_datasets._rows import keep_rare
from framework_datasets.series import Series

pytestmark = pytest.mark.usefixtures("unrendered")

GAPS = "age,deck,y\n20,A,u\n30,,v\n,B,u\n70,A,v\n?,A,u\n60,B,\n"


def rows(data):
    """The training rows in the order of their first feature."""
    x, y = (data.splits["train"][name] for name in "xy")
    pairs = sorted(zip(x.tolist(), y.tolist(), strict=True))
    return [row for row, _ in pairs], [k for _, k in pairs]


# Missing values.


def test_rows_with_a_missing_value_are_left_out(tmp_path):
    data = table(tmp_path, GAPS, missing=["?"], drop=["deck"]).load(rng())
    assert rows(data) == ([[20], [30], [70]], [0, 1, 1])
    assert data.notes[1:] == ("3 of 6 rows left out: a value is missing (y: 1, age: 2)",)


@pytest.mark.parametrize(("fill", "age"), [("mean", 40.0), ("median", 30.0)])
def test_missing_features_are_filled_in(tmp_path, fill, age):
    data = table(tmp_path, GAPS, missing=["?"], fill=fill).load(rng())
    whole = [([20, 1, 0], 0), ([30, 1, 0], 1), ([age, 0, 1], 0), ([70, 1, 0], 1), ([age, 1, 0], 0)]
    assert rows(data) == tuple(map(list, zip(*sorted(whole), strict=True)))
    assert data.notes[1:] == (
        "1 of 6 rows left out: a value is missing (y: 1)",
        f"3 missing values filled in from the training split (age: 2 with {age:g}, deck: 1 with A)",
    )
    assert data.encoding.fills == {"age": str(age), "deck": "A"}


def test_values_that_fill_in_are_those_of_the_training_rows(tmp_path):
    content = "u,v,y\n" + "".join(f"{'' if i == 3 else i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(40))
    data = table(tmp_path, content, fill="mean", val=0.3, test=0.2).load(rng())
    train = data.splits["train"]["x"][:, 0]
    filled = float(data.encoding.fills["u"])
    assert filled == pytest.approx(train[train != filled].mean())
    assert filled != pytest.approx(np.delete(np.arange(40), 3).mean())


@pytest.mark.parametrize("word", ["-999", "-999.0", "NA", "nan", "NaN"])
def test_words_for_a_missing_value_may_be_numbers(tmp_path, word):
    given = {"NA": "NA", "nan": float("nan"), "NaN": float("nan")}.get(word, -999)
    data = table(tmp_path, f"u,y\n1,a\n{word},b\n3,b\n", missing=[given]).load(rng())
    assert rows(data)[0] == [[1], [3]]


@pytest.mark.parametrize(
    ("content", "offer"),
    [
        ("u,y\n1,a\n,b\n3,b\n", "dataset.missing=[] leaves out such rows; with dataset.fill=mean they are filled in"),
        ("u,y\n1,a\n?,b\n3,b\n", "'dataset.missing=[?]' leaves out"),
        ("u,y\n1,a\nNA,b\n3,b\n", "dataset.missing=[NA] leaves out"),
        ("u,y\n1,a\nnan,b\n3,b\n", "dataset.missing=[nan] leaves out"),
    ],
)
def test_a_message_on_a_missing_value_offers_the_options(tmp_path, content, offer):
    with pytest.raises(DataError) as caught:
        table(tmp_path, content).load(rng())
    assert offer in str(caught.value)


def test_nothing_but_missing_values_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"every row has a missing value \(u: 1, v: 1\); dataset.fill=mean fills them in"):
        table(tmp_path, "u,v,y\n1,,a\n,2,b\n", missing=[]).load(rng())
    with pytest.raises(DataError, match="column 'v' has no value in the training split; leave it out"):
        table(tmp_path, "u,v,y\n1,,a\n2,,b\n", fill="mean").load(rng())


class Saved:
    """What `read_fields` needs of a model."""

    def __init__(self, data):
        self.about = type("About", (), {"encoding": again(data)})


def test_new_rows_are_filled_in_as_the_training_rows_were(tmp_path, capsys):
    model = Saved(table(tmp_path, GAPS, missing=["?"], fill="mean").load(rng()))
    new = tmp_path / "new.csv"
    new.write_text("deck,age,y\n,?,v\nB,7,?\n")
    assert read_fields(model, str(new), with_target=False)["x"].tolist() == [[40, 1, 0], [7, 0, 1]]
    assert capsys.readouterr().err == (
        f"stackprop: {new}: 2 missing values filled in from the training split (age: 1 with 40, deck: 1 with A)\n"
    )
    fields = read_fields(model, str(new), with_target=True)
    assert (fields["x"].tolist(), fields["y"].tolist()) == ([[40, 1, 0]], [1])
    assert "1 of 2 rows left out: a value is missing (y: 1)" in capsys.readouterr().err


def test_without_filling_in_every_row_to_predict_has_to_be_whole(tmp_path):
    encoding = again(table(tmp_path, GAPS, missing=["?"], drop=["deck"]).load(rng()))
    (tmp_path / "new.csv").write_text("age,y\n1,u\n?,v\n")
    with pytest.raises(DataError, match="line 3, column 'age': the cell is empty, but every row gets a prediction; leave"):
        encoding.read(tmp_path / "new.csv", with_target=False)
    assert encoding.read(tmp_path / "new.csv", with_target=True)["x"].tolist() == [[1]]


# How a file is written.


@pytest.mark.parametrize(
    ("header", "target", "names"), [(False, "c2", "c0, c1, c2"), (["a", "b", "k"], "k", None)], ids=["numbered", "named"]
)
def test_a_table_without_a_header_is_read(tmp_path, header, target, names):
    data = table(tmp_path, "1,2,0\n3,4,1\n", target, header=header).load(rng())
    assert rows(data) == ([[1, 2], [3, 4]], [0, 1])
    assert data.notes[1:] == ((f"no header: the columns are {names}",) if names else ())
    (tmp_path / "new.csv").write_text("5,6,1\n")
    assert again(data).read(tmp_path / "new.csv", with_target=False)["x"].tolist() == [[5, 6]]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (
            "1,2,0\n3,4,1\n",
            {},
            "the first line must name the columns, or use dataset.header=false, which names them c0 ... c2",
        ),
        ("1,2,0\n3,4,1\n", {"header": ["a", "y"]}, "line 1: dataset.header has 2 names, but there are 3 columns"),
        ("1,2,0\n3,4,1\n", {"header": ["a", "a", "y"]}, "dataset.header: 'a' is the name of columns 1 and 2"),
        ("5.1,3,cat\n4,2,dog\n", {}, "'5.1' in the header is a number: dataset.header=false if it is a row of data"),
        (
            "5.1,5.1,cat\n4,2,dog\n",
            {},
            "every column needs a different name; dataset.header=false if this is the first row",
        ),
    ],
)
def test_a_missing_header_is_noticed(tmp_path, content, options, expected):
    with pytest.raises(DataError) as caught:
        table(tmp_path, content, **options).load(rng())
    assert expected in str(caught.value)


def test_a_row_of_data_taken_as_header_is_said(tmp_path):
    data = table(tmp_path, "5.1,3,y\n4,2,0\n3,1,1\n").load(rng())
    assert data.notes[1:] == (
        "line 1 was read as the header, but holds numbers (5.1, 3); dataset.header=false if it is data",
    )


COMMAS = "sep=;\nu;v;y\n1,5;-0,25;a\n1.234,5;2;b\n"


@pytest.mark.parametrize("delimiter", ["semicolon", "auto"])
def test_decimal_commas_and_a_first_line_sep_are_read(tmp_path, delimiter):
    data = table(tmp_path, COMMAS, delimiter=delimiter, decimal="comma").load(rng())
    assert rows(data) == ([[1.5, -0.25], [1234.5, 2]], [0, 1])
    (tmp_path / "new.csv").write_text("v;u\n0,5;7\n")
    assert again(data).read(tmp_path / "new.csv", with_target=False)["x"].tolist() == [[7, 0.5]]


def test_decimal_commas_are_offered_with_what_they_would_mean(tmp_path):
    with pytest.raises(DataError, match=r"line 3, column 'u': '1,5' is text .*; dataset.decimal=comma reads it as 1.5"):
        table(tmp_path, COMMAS, delimiter="semicolon").load(rng())
    with pytest.raises(DataError, match=r"line 3, column 'u': '1.500' has a point, but with dataset.decimal=comma the"):
        table(tmp_path, "u;y\n1,5;a\n1.500;b\n", delimiter="semicolon", decimal="comma").load(rng())
    content = "u;y\n1.5;\n1,5;a\n2,5;b\n2.5;b\n"
    with pytest.raises(DataError, match=r"line 5, column 'u': '2.5' has a point"):
        table(tmp_path, content, delimiter="semicolon", decimal="comma", missing=[]).load(rng())


@pytest.mark.parametrize("index", ["0123", "2031", "1234"])
def test_a_nameless_first_column_that_numbers_the_rows_is_left_out(tmp_path, index):
    body = "".join(f"{i},{i}.5,{'ab'[int(i) % 2]}\n" for i in index)
    data = table(tmp_path, f",u,y\n{body}").load(rng())
    assert rows(data)[0] == [[float(f"{i}.5")] for i in sorted(index)]
    assert data.notes[1:] == ("the first column has no name and only counts the rows; it was left out",)
    (tmp_path / "new.csv").write_text(",u\n17,2\n")
    assert again(data).read(tmp_path / "new.csv", with_target=False)["x"].tolist() == [[2]]


def test_a_series_reads_decimal_commas_and_no_header(tmp_path):
    (tmp_path / "s.csv").write_text("".join(f"{i};{i},5\n" for i in range(20)))
    series = Series(str(tmp_path / "s.csv"), "c1", "semicolon", "comma", False, 4, val=0, test=0)
    data = series.load(rng())
    assert data.splits["train"]["x"][0, :, 0].tolist() == [0.5, 1.5, 2.5, 3.5]
    assert again(data) == data.encoding


def test_encodings_of_older_models_are_read(tmp_path):
    data = table(tmp_path, many()).load(rng())
    told = data.encoding.to_json()
    old = {key: told[key] for key in ("features", "target", "delimiter")}
    assert type(data.encoding).from_json(old) == data.encoding
    (tmp_path / "s.csv").write_text("u\n" + "1\n2\n" * 20)
    series = Series(str(tmp_path / "s.csv"), "u", length=4)
    encoding = series.load(rng()).encoding
    assert series.encoding_from_json({"column": "u", "delimiter": ",", "length": 4}) == encoding


# Values that few rows have.


def test_a_class_that_training_lacks_moves_there(tmp_path):
    content = many(100, lambda i: f"rare{i}" if i in (3, 50, 77) else "ab"[i % 2])
    for seed in range(5):
        csv = table(tmp_path, content, val=0.2, test=0.2)
        data = csv.load(np.random.default_rng(seed))
        sizes = {split: len(fields["y"]) for split, fields in data.splits.items()}
        assert sum(sizes.values()) == 100
        assert set(np.unique(data.splits["train"]["y"])) == set(range(5))
        moved = sizes["train"] - 60
        said = [note for note in data.notes if "moved to the training split" in note]
        assert len(said) == bool(moved)
        assert not moved or said[0].startswith(f"{moved} row")


def test_a_split_without_rare_values_stays_as_it_was_drawn():
    parts = {"train": np.array([5, 0, 3]), "val": np.array([4, 1]), "test": np.array([2])}
    labels, categories = np.array([0, 1, 1, 1, 0, 0]), np.array([0, 1, 1, 2, 2, 1])
    kept, moved = keep_rare(parts, [labels, categories])
    assert moved == {}
    assert all(np.array_equal(kept[split], rows) for split, rows in parts.items())


def test_only_the_first_row_of_a_rare_value_moves():
    parts = {"train": np.array([0, 1]), "val": np.array([2, 3, 4]), "test": np.array([5, 6])}
    kept, moved = keep_rare(parts, [np.array([0, 1, 0, 2, 2, 1, 0])])
    assert {split: rows.tolist() for split, rows in kept.items()} == {"train": [0, 1, 3], "val": [2, 4], "test": [5, 6]}
    assert moved == {"val": 1}


def test_a_split_that_would_lose_most_of_its_rows_keeps_them():
    parts = {"train": np.array([0, 1]), "val": np.array([2, 3])}
    assert keep_rare(parts, [np.arange(4)])[1] == {}


# What a table was taken for.


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (lambda i: "ab"[i % 2], {}, "target 'y': 2 classes (a, b); "),
        (
            lambda i: i % 8,
            {},
            "8 classes (0, 1, 2, 3, ..., 7), since they are integers with few values; dataset.task=regression",
        ),
        (
            lambda i: i % 26,
            {},
            "numbers (26 different integers, more than 20); dataset.task=classification reads them as",
        ),
        (lambda i: i / 4, {}, "target 'y': numbers, 0 ... 14.75; "),
        (lambda i: f"{i % 3:03}", {}, "3 classes (0, 1, 2) (leading zeros are lost: 000 is 0), since they"),
        (lambda i: f"{i}%", {"task": "classification"}, "target 'y': 60 classes (0%, 1%"),
    ],
)
def test_a_target_is_said_in_a_line(tmp_path, labels, options, said):
    assert said in table(tmp_path, many(label=labels), **options).load(rng()).notes[0]


@pytest.mark.parametrize("word", ["12%", "$1,200", "1,200.50 €", "2024-01-31", "31.12.2024", "12:30", "1'200"])
def test_text_that_looks_like_numbers_is_not_quietly_words(tmp_path, word):
    words = [word, word.replace("1", "2")]
    quoted = [f'"{w}"' for w in words]
    with pytest.raises(DataError, match=r"is text \(.*\); use plain numbers, or the words as classes \(dataset.task=cl"):
        table(tmp_path, many(label=lambda i: quoted[i % 2])).load(rng())
    data = table(tmp_path, many(label=lambda i: quoted[i % 2], header="u,y,c")).load(rng())
    assert (
        f"'c' is words, not numbers ({data.notes[0].split('not numbers (')[1].split(':')[0]}: {words[0]})" in data.notes[0]
    )


@pytest.mark.parametrize(("word", "kind"), [("{}%", "percent signs"), ("2024-01-{}", "dates or times")])
def test_features_that_look_like_numbers_are_refused(tmp_path, word, kind):
    rows = "".join(f"{word.format(i)},{i},{'ab'[i % 2]}\n" for i in range(10, 30))
    with pytest.raises(DataError, match=rf"line 2.*is text \({kind}\), not a number; .*: dataset\.drop=\[c\]"):
        table(tmp_path, "c,u,y\n" + rows, val=0.3, test=0.3).load(rng())


def test_features_are_said_in_the_same_line(tmp_path):
    data = table(tmp_path, "zip,colour,legs,y\n01067,red,4,a\n80331,blue,2,b\n").load(rng())
    assert data.notes == (
        f"{tmp_path}/data.csv: target 'y': 2 classes (a, b); features: 2 of numbers (zip, legs) and 1 of words (colour: 2); "
        "'zip' (leading zeros are lost: 01067 is 1067); dataset.features and dataset.drop select others",
    )


def test_labels_beyond_2_to_the_53_stay_apart(tmp_path):
    data = table(tmp_path, many(label=lambda i: 9007199254740992 + i % 2), task="classification").load(rng())
    assert list(data.names) == ["9007199254740992", "9007199254740993"]


def test_a_run_and_a_sweep_say_it_once(tmp_path, monkeypatch, capsys):
    table(tmp_path, many())
    monkeypatch.chdir(tmp_path)
    words = ["dataset=csv", "dataset.path=data.csv", "dataset.target=y", "tracking=none", "trainer.steps=2"]
    for start in (lambda: run(*words), lambda: sweep(*words, "seed=0,1")):
        start()
        assert (
            capsys.readouterr().err.count("stackprop: dataset: data.csv: target 'y': 2 classes (a, b); features: 2 of") == 1
        )


def test_values_that_float32_cannot_tell_apart_are_named(tmp_path):
    csv = table(tmp_path, "u,id,y\n" + "".join(f"{i},{16777216 + i},{'ab'[i % 2]}\n" for i in range(40)))
    data = csv.load(rng())
    (line,) = indistinct(data, "float32")
    assert line == (
        "dataset: column 'id': 19 of 40 different values coincide in float32, such as 16777216 and 16777217; "
        "dataset.scale=standard or dtype=float64 keeps them apart"
    )
    assert indistinct(data, "float64") == []
    assert indistinct(scaled(data, fit(data, "standard", ["x"])), "float32") == []
    near = table(tmp_path, "u,y\n" + "".join(f"{i},{1e9 + i}\n" for i in range(40)), task="regression")
    assert "column 'y': 3" in indistinct(near.load(rng()), "float32")[0]


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("e-60", "of 40 values become 0 in float32, such as "),
        ("e60", "become inf in float32"),
        ("e-42", "lose digits in float32"),
    ],
)
def test_values_out_of_the_range_of_float32_are_named(tmp_path, size, said):
    data = table(tmp_path, "u,v,y\n" + "".join(f"{i},{i % 7}{size},{'ab'[i % 2]}\n" for i in range(40))).load(rng())
    (line,) = indistinct(data, "float32")
    assert line.startswith("dataset: column 'v': ")
    assert said in line
    assert line.endswith("; another unit, near 1, or dtype=float64 keeps them")
    assert indistinct(data, "float64") == []


def test_a_scaled_series_learns_in_its_own_unit(tmp_path, monkeypatch, capsys):
    level = 300 + 40 * np.sin(np.arange(120) / 6)
    (tmp_path / "s.csv").write_text("level\n" + "".join(f"{v:.3f}\n" for v in level))
    monkeypatch.chdir(tmp_path)
    words = ["dataset=series", "dataset.path=s.csv", "dataset.column=level", "dataset.length=6", "dataset.scale=standard"]
    found = run(*words, "model=lstm", "model.hidden=8", "trainer.epochs=20", "optimizer.lr=0.02", "tracking=none")
    assert "val/loss are of (level - " in capsys.readouterr().err
    data = Series("s.csv", "level", length=6).load(rng()).splits["val"]
    predicted, width = found.model.predict(data["x"]), found.model.scale.width["y"]
    assert predicted.shape == data["y"].shape
    assert ((predicted - data["y"]) ** 2).mean() / width**2 == pytest.approx(found.last["val/loss"], rel=1e-3)
    assert found.last["val/loss"] < 0.2
    assert found.model.evaluate(data)["loss"] == pytest.approx(found.last["val/loss"], rel=1e-3)


# Several labels at once.


def test_C6_several_labels_at_once_train_with_sigmoids_and_never_softmax(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = [(i % 10 / 10, i // 10 / 10) for i in range(100)]
    lines = [f"{u},{v},{int(u > 0.45)},{int(v > 0.45)},{int(u + v > 0.95)}" for u, v in values]
    (tmp_path / "films.csv").write_text("u,v,comedy,drama,long\n" + "\n".join(lines) + "\n")
    words = [
        "dataset=csv",
        "dataset.path=films.csv",
        "dataset.target=[comedy,drama,long]",
        "tracking=none",
        "trainer.epochs=60",
    ]
    found = run(*words, "optimizer.lr=0.02")
    assert found.metrics["val/accuracy"][1][-1] > 0.9
    assert "3 labels of 0 and 1, of which several may hold at once" in capsys.readouterr().err
    (tmp_path / "new.csv").write_text("u,v\n0.9,0.9\n0.0,0.0\n0.9,0.0\n")
    assert predict.main([str(found.folder), "new.csv"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "p(comedy),p(drama),p(long)"
    said = [[float(word) > 0.5 for word in row.split(",")] for row in rows]
    assert said[:2] == [[True] * 3, [False] * 3]  # probabilities that do not sum to 1
    assert said[2][:2] == [True, False]
    with pytest.raises(ConfigError, match="SoftmaxCrossEntropy needs targets of kind label, but 'y' is columns"):
        run(*words, "loss=softmax_cross_entropy")


def test_a_model_of_several_labels_reads_a_new_file(tmp_path):
    data = table(tmp_path, "u,a,b\n1,0,1\n2,1,1\n", target=["a", "b"]).load(rng())
    assert (data.fields["y"].kind, data.fields["y"].names) == ("label", ("a", "b"))
    (tmp_path / "new.csv").write_text("b,u,a\n1,5,0\n")
    assert again(data).read(tmp_path / "new.csv", with_target=True)["y"].tolist() == [[0, 1]]
    (tmp_path / "new.csv").write_text("b,u,a\n1,5,3\n")
    with pytest.raises(DataError, match="line 2, column 'a': '3' is not 0 or 1"):
        again(data).read(tmp_path / "new.csv", with_target=True)
    numbers = table(tmp_path, "u,a,b\n1,0,1\n2,1,1\n", target=["a", "b"], task="regression").load(rng())
    assert numbers.fields["y"].kind == "real"
