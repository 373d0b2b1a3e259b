"""Numbers that are categories, and texts in other encodings than UTF-8."""

import pytest
from user_files import again, rng, table

from framework import DataError

LEGS = "legs,weight,y\n" + "".join(f"{['2', '4', '10'][i % 3]}{'.0' * (i % 2)},{i},{i / 3}\n" for i in range(30))
TOWNS = "town,y\n" + "Köln,1.5\nPlön,2.5\n" * 10


def test_numbers_can_be_categories_in_their_order(tmp_path):
    data = table(tmp_path, LEGS, categories=["legs"]).load(rng())
    assert data.encoding.features[0].categories == ("2", "4", "10")
    (tmp_path / "new.csv").write_text("weight,legs\n7,10\n8,2.0\n")
    found = again(data).read(tmp_path / "new.csv", with_target=False)["x"]
    assert found.tolist() == [[0, 0, 1, 7], [1, 0, 0, 8]]


def test_a_mixed_column_can_be_categories(tmp_path):
    content = "legs,y\n" + "many,1.5\n" * 9 + "10,2.5\n2,3.5\n"
    with pytest.raises(DataError, match=r"dataset\.categories reads the column as categories"):
        table(tmp_path, content).load(rng())
    data = table(tmp_path, content, categories=["legs"]).load(rng())
    assert data.encoding.features[0].categories == ("10", "2", "many")


def test_a_missing_category_becomes_the_most_frequent(tmp_path):
    content = LEGS.replace("\n10,", "\n,", 1) + "4,7,1.5\n"
    data = table(tmp_path, content, categories=["legs"], fill="mean").load(rng())
    assert data.encoding.fills["legs"] in ("2", "4", "2.0", "4.0")
    assert data.encoding.features[0].categories == ("2", "4", "10")


def test_categories_are_features(tmp_path):
    with pytest.raises(DataError, match=r"column 'y' is in dataset\.categories, but it is no feature"):
        table(tmp_path, LEGS, categories=["y"]).load(rng())


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le"])
def test_a_text_in_another_encoding(tmp_path, encoding):
    data = table(tmp_path, TOWNS.encode(encoding), encoding=encoding).load(rng())
    assert data.encoding.features[0].categories == ("Köln", "Plön")
    assert again(data).read(tmp_path / "data.csv", with_target=False)["x"].shape == (20, 2)


def test_utf_16_is_detected_by_its_mark(tmp_path):
    data = table(tmp_path, TOWNS.encode("utf-16")).load(rng())
    assert data.encoding.features[0].categories == ("Köln", "Plön")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_an_error_suggests_the_likely_encoding(tmp_path, encoding):
    content = TOWNS.replace("ln,", "ln–,") if encoding == "cp1252" else TOWNS
    with pytest.raises(DataError, match=f"set dataset.encoding={encoding}, or save the file as UTF-8"):
        table(tmp_path, content.encode(encoding)).load(rng())


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman", "utf-16", "utf-16-le"])
def test_utf_8_in_another_encoding_is_an_error(tmp_path, encoding):
    with pytest.raises(DataError, match=f"this is UTF-8 text, and dataset.encoding is {encoding}; set"):
        table(tmp_path, TOWNS, encoding=encoding).load(rng())


def test_a_prediction_for_utf_8_names_the_encoding_of_the_model(tmp_path):
    model = again(table(tmp_path, TOWNS.encode("latin-1"), encoding="latin-1").load(rng()))
    (tmp_path / "new.csv").write_text(TOWNS, encoding="utf-8")
    with pytest.raises(
        DataError, match=r"this is UTF-8 text, and dataset\.encoding is latin-1; .* save the file as latin-1"
    ):
        model.read(tmp_path / "new.csv", with_target=False)
    with pytest.raises(DataError, match=r"zero bytes, so it is not iso8859-1 text; set dataset\.encoding=utf-16-le"):
        table(tmp_path, TOWNS.encode("utf-16-le"), encoding="latin-1").load(rng())


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "koi8-r", "utf-16-be"])
def test_a_text_of_other_letters_is_read(tmp_path, encoding):
    letters = {"gbk": "模型", "shift_jis": "模型", "koi8-r": "Тула", "utf-16-be": "模型"}[encoding]
    content = TOWNS.replace("Köln", letters).replace("Plön", "Ulm").encode(encoding)
    data = table(tmp_path, content, encoding=encoding).load(rng())
    assert set(data.encoding.features[0].categories) == {letters, "Ulm"}


def test_an_unknown_encoding_is_an_error(tmp_path):
    for name in ("latin1x", "hex"):
        with pytest.raises(DataError, match=f"dataset.encoding: unknown encoding '{name}'"):
            table(tmp_path, TOWNS, encoding=name).load(rng())


# What a first look at a file finds.


def test_columns_of_different_texts_are_named_together(tmp_path):
    rows = "name,ticket,kind,y\n" + "".join(f"n{i},t{i},{'uv'[i % 2]},{i / 3}\n" for i in range(60))
    said = "column 'name' has 60 different texts in 60 rows, and so has ticket; .* leave it out: dataset.drop=.name,ticket.$"
    with pytest.raises(DataError, match=said):
        table(tmp_path, rows, val=0.4, test=0.4).load(rng())


def test_semicolons_and_decimal_commas_are_found_together(tmp_path):
    with pytest.raises(DataError, match=r"did you mean dataset\.delimiter=semicolon dataset\.decimal=comma\?"):
        table(tmp_path, "u;y\n1,5;2,5\n").load(rng())


def test_a_column_that_counts_the_rows_is_pointed_out(tmp_path):
    rows = "id,u,y\n" + "".join(f"{i + 1},{i % 7},{i / 3}\n" for i in range(30))
    assert "; 'id' only counts the rows; dataset.features and dataset.drop" in table(tmp_path, rows).load(rng()).notes[0]
