"""`dataset=sentences`: a class for each sentence of a file, from the file to the answer for a new sentence; row K15."""

import numpy as np
import pytest

from framework import DataError, generator, load
from framework_datasets.sentences import Sentences

LINES = ["The film was not good,bad", '"Good , really good",good', "the play was dull,bad", "a good play,good"]


def written(tmp_path, lines, header="text,label", name="reviews.csv"):
    path = tmp_path / name
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return str(path)


def loaded(path, **options):
    return Sentences(path, **{"val": 0, "test": 0, **options}).load(generator(0, "dataset"))


def reviews(n, sign=","):
    """Sentences in which a `not` reverses the adjective."""
    rng, lines = np.random.default_rng(0), []
    for _ in range(n):
        good, negated = rng.integers(2, size=2)
        words = ["The", rng.choice(["film", "play"]), "was", *["not"] * negated, ["dull", "lovely"][good]]
        lines.append(f"{' '.join(words)}{sign}{['bad', 'good'][int(good != negated)]}")
    return lines


def test_words_have_ids_and_rare_ones_are_unknown(tmp_path):
    data = loaded(written(tmp_path, LINES))
    fields, arrays = data.fields, data.splits["train"]
    assert fields["x"].names == ("<pad>", "<unk>", "good", "play", "the", "was")
    shown = {
        " ".join(fields["x"].names[i] for i in row[mask > 0]) for row, mask in zip(arrays["x"], arrays["mask"], strict=True)
    }
    assert shown == {"the <unk> was <unk> good", "good <unk> <unk> good", "the play was <unk>", "<unk> good play"}
    assert arrays["x"].shape == (4, 5)
    assert (arrays["x"][arrays["mask"] == 0] == 0).all()
    assert data.names_of("y") == ["bad", "good"]
    assert sorted(arrays["y"]) == [0, 0, 1, 1]
    assert data.notes == (
        f"{tmp_path / 'reviews.csv'}: 4 sentences in column 'text', at most 5 words; 6 ids of words (min_count=2), 37.5% of "
        "the training words unknown; column 'label': 2 classes (bad, good)",
    )


def test_case_length_and_columns_are_options(tmp_path):
    path = written(tmp_path, [line.replace(",", "\t") for line in reviews(20)], header=None, name="reviews.tsv")
    data = loaded(path, text="c0", label="c1", header=False, delimiter="tab", min_count=1, lowercase=False, longest=2)
    assert data.splits["train"]["x"].shape == (20, 2)
    assert set(data.fields["x"].names) <= {"<pad>", "<unk>", "The", "film", "play"}


def test_words_of_other_splits_have_no_ids(tmp_path):
    path = written(tmp_path, [f"word{i} again,{'ab'[i % 2]}" for i in range(20)])
    data = loaded(path, val=0.25, test=0.25, min_count=1)
    assert [len(data.splits[split]["y"]) for split in ("train", "val", "test")] == [10, 5, 5]
    assert len(data.fields["x"].names) == 2 + 10 + 1
    assert (data.splits["val"]["x"][:, 0] == 1).all()


def test_an_encoding_comes_back_from_json(tmp_path):
    encoding = loaded(written(tmp_path, LINES), longest=4).encoding
    assert Sentences.encoding_from_json(encoding.to_json()) == encoding


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        (LINES, {"text": "review"}, "dataset.text: unknown column 'review' in the header"),
        (LINES, {"label": "text"}, "column 'text' is dataset.text and dataset.label; choose another"),
        ([*LINES, ",good"], {}, "line 6, column 'text': the cell is empty; fill it in, or leave out the row"),
        ([*LINES, "a play,"], {}, "line 6, column 'label': the cell is empty"),
        ([*LINES, "a, play,good"], {}, "line 6: expected 2 fields, as on line 1, but got 3"),
        (["a,good", "b,good", "c,good"], {}, "every label is 'good'; a classifier needs at least two"),
        (["a,good"], {}, "1 sentence is too few to split"),
    ],
)
def test_a_fault_of_a_file_is_named(tmp_path, lines, options, expected):
    with pytest.raises(DataError) as caught:
        loaded(written(tmp_path, lines), **options)
    assert expected in str(caught.value)


def test_a_new_label_in_a_new_file_is_named(tmp_path):
    encoding = loaded(written(tmp_path, LINES)).encoding
    new = written(tmp_path, ["a play,good", "a film,fair"], name="new.csv")
    assert encoding.read(new, False)["x"].shape == (2, 2)
    with pytest.raises(DataError, match=r"new.csv: line 3, column 'label': the label 'fair' was in no row of the training"):
        encoding.read(new, True)


@pytest.mark.slow
def test_K15_an_lstm_learns_the_sentiment_of_a_file(tmp_path, ask):
    written(tmp_path, reviews(160))
    words = ["model=lstm", "model.output=last", "model.hidden=8", "model.layers.input.type=embedding"]
    words += ["model.layers.input.units=8", "loss=binary_cross_entropy", "tier=array"]
    data = ["dataset=sentences", "dataset.path=reviews.csv", "optimizer.lr=0.05", "trainer.epochs=15", "tracking=none"]
    status, _, errors = ask(*words, *data)
    assert status == 0, errors
    assert "160 sentences in column 'text', at most 5 words" in errors
    assert load("last").network.nodes["input"].layer.size == 9
    written(tmp_path, ["the play was not dull,good", "the film was dull,bad"], name="new.csv")
    status, printed, errors = ask("evaluate", "last", "new.csv")
    assert status == 0, errors
    assert "new.csv/accuracy 1\n" in printed
    for text, good in (("the film was not lovely", False), ("the film was lovely", True)):
        status, printed, errors = ask("predict", "last", "--text", text)
        assert status == 0, errors
        assert (float(printed.split()[1]) > 0.5) == good  # the probability of the second class
