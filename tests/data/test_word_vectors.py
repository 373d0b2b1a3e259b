"""Word vectors from text files: which words get one, and the messages for wrong files."""

import resource

import numpy as np
import pytest
from configs import prepared
from tagged_files import conll

from framework import DataError
from framework.core.errors import ConfigError
from framework_layers._word_vectors import word_vectors
from framework_layers.embedding import Embedding

WORDS = ("<pad>", "<unk>", "Cat", "dog", "Rome", "New York")
GLOVE = "dog 1 2\ncat 3 4e0\nRome -1 .5\nrome 9 9\nNew York 7 8\nother 0 0\n"


def vectors(tmp_path, content=GLOVE, units=2, words=WORDS):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return word_vectors(str(path), words, units)


def test_words_get_their_vector_or_that_of_the_lower_case(tmp_path):
    found = vectors(tmp_path)
    assert dict(zip(found.ids.tolist(), found.rows.tolist(), strict=True)) == {2: [3, 4], 3: [1, 2], 4: [-1, 0.5], 5: [7, 8]}
    assert (found.lowered, found.repeated) == (1, 0)


@pytest.mark.parametrize(
    "content",
    [f"6 2\n{GLOVE}", GLOVE.replace("\n", "\r\n"), GLOVE.replace(" 1", "\t1"), f"\ufeff{GLOVE}", f"{GLOVE}\n\ndog 5 5\n"],
    ids=["word2vec", "CRLF", "tab", "byte order mark", "repeated"],
)
def test_both_formats_are_read(tmp_path, content):
    one, other = vectors(tmp_path), vectors(tmp_path, content)
    assert np.array_equal(one.ids, other.ids)
    assert np.array_equal(one.rows, other.rows)
    assert other.repeated == content.count("dog 5 5")


def test_bytes_of_other_words_do_not_matter(tmp_path):
    assert len(vectors(tmp_path, GLOVE.encode() + b"\xff\xfe 1 2\n").ids) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dog 1 2 3\n", "line 1: 3 numbers, but units is 2; set units to 3"),
        ("dog 1\n", "line 1: 1 numbers, but units is 2; set units to 1"),
        (f"{GLOVE}a 1\n", "line 7: 1 numbers, but units is 2; every line needs a word and its numbers"),
        (f"{GLOVE}a 1 2 3\n", "line 7: 3 numbers"),
        (f"6 3\n{GLOVE}", r"its vectors have 3 numbers \(line 1\); set units to that \(got 2\)"),
        ("x 1 2\ndog 1 zwei\n", "line 2: 'zwei' is not a number"),
        ("dog 1 nan\n", "line 1: it holds nan; vectors are finite numbers"),
        ("", "the file is empty"),
        (b"dog 1 2\n" + bytes(1 << 20), "line 2 has 1,048,576 bytes or more"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, content, message):
    with pytest.raises(DataError, match=f"vectors.txt: {message}"):
        vectors(tmp_path, content)
    with pytest.raises(DataError, match=r"gone.txt: cannot be read \(No such file"):
        word_vectors(str(tmp_path / "gone.txt"), WORDS, 2)


def test_a_large_file_takes_the_memory_of_its_words(tmp_path):
    path = tmp_path / "large.txt"
    line = " ".join(["0.123456"] * 50)
    with path.open("w") as file:
        file.writelines(f"w{i} {line}\n" for i in range(60_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert word_vectors(str(path), ("w7", "w59999"), 50).ids.tolist() == [0, 1]
    assert path.stat().st_size > 25e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 5000  # kilobytes


def test_an_embedding_starts_with_them(tmp_path):
    vectors(tmp_path)
    path, rng = str(tmp_path / "vectors.txt"), np.random.default_rng
    W = Embedding(2, 6, vectors=path, words=WORDS).init(rng(0), (None,))[0]["W"]
    drawn = Embedding(2, 6).init(rng(0), (None,))[0]["W"]
    assert W[2:].tolist() == [[3, 4], [1, 2], [-1, 0.5], [7, 8]]
    assert np.array_equal(W[:2], drawn[:2])
    with pytest.raises(ValueError, match="vectors: it needs the words of the ids"):
        Embedding(2, 6, vectors=path).init(rng(0), (None,))
    with pytest.raises(ValueError, match="words: 2 words for 6 symbols"):
        Embedding(2, 6, vectors=path, words=("a", "b")).init(rng(0), (None,))


def test_a_model_reports_how_many_words_it_found(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("peter 1 2\nEU 3 4\n")
    source = conll(tmp_path).path
    words = (
        f"dataset=conll dataset.path={source} dataset.val=0 dataset.test=0 dataset.min_count=1 model=tagger model.units=2"
    )
    made = prepared(f"{words} model.vectors={path} model.layers.words.frozen=true")
    tensors, _ = made.learner.network.init(0)
    names = made.data.fields["x"].names
    assert tensors["words"]["W"][names.index("Peter")].tolist() == [1, 2]
    assert made.notes[-1] == f"model.layers.words: {path}: vectors of 2 of 11 symbols, 1 of them in lower case"
    arena = made.learner.network.arena(tensors)
    assert "words" not in arena.views(np.zeros(arena.P))
    with pytest.raises(ConfigError, match=r"model.layers.words: .*line 1: 2 numbers, but units is 50; set units to 2"):
        prepared(f"{words} model.vectors={path} model.units=50")


def test_ids_without_words_have_no_vectors(tmp_path):
    with pytest.raises(ConfigError, match=r"model.layers.input.vectors: the data set does not name the symbols of 'x'"):
        prepared("model=lstm dataset=reverse model.layers.input={type:embedding,units:2,vectors:v.txt} model.output=all")
