"""Tagged sentences from files: what is read, what is refused, and how new files follow."""

import re

import numpy as np
import pytest
from tagged_files import ENGLISH, conll, lines, loaded, tags_of
from user_files import again

from framework import DataError, generator
from framework.data.validation import checked
from framework_datasets import _conll, _tag_schemes
from framework_datasets.conll import Conll

# What is read.


def test_a_small_file_becomes_these_numbers(tmp_path):
    data = loaded(conll(tmp_path, letters=4))
    words, tags = data.fields["x"].names, data.fields["y"].names
    assert words == (
        "<pad>",
        "<unk>",
        ".",
        "1996-08-22",
        "BRUSSELS",
        "Blackburn",
        "EU",
        "German",
        "Peter",
        "call",
        "rejects",
    )
    assert tags == ("O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER")
    train = data.splits["train"]
    assert train["x"].tolist() == [[6, 10, 7, 9, 2], [8, 5, 0, 0, 0], [4, 3, 0, 0, 0]]
    assert train["mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert tags_of(data) == [["B-ORG", "O", "B-MISC", "O", "O"], ["B-PER", "I-PER"], ["B-LOC", "O"]]
    letters = data.fields["chars"].names
    assert ["".join(letters[k] for k in word if k) for word in train["chars"][0]] == ["EU", "reje", "Germ", "call", "."]
    assert np.array_equal(train["char_mask"], train["chars"] > 0)
    assert checked(data) is data


@pytest.mark.parametrize(
    "content",
    [
        ENGLISH.replace("\n", "\r\n"),
        ENGLISH.replace("\n", "\r"),
        "\ufeff" + ENGLISH,
        ENGLISH.replace(" ", "\t"),
        ENGLISH.replace(" ", "   ").replace("\n\n", "\n \t\n\n\n"),
        ENGLISH.rstrip("\n"),
    ],
    ids=["CRLF", "CR", "byte order mark", "tabs", "blanks", "no last line end"],
)
def test_line_ends_and_separators_do_not_matter(tmp_path, content):
    one, other = loaded(conll(tmp_path)), loaded(conll(tmp_path, content, "other.txt"))
    for name, a in one.splits["train"].items():
        assert np.array_equal(a, other.splits["train"][name]), name


def test_a_word_may_hold_blanks_where_tabs_separate(tmp_path):
    data = loaded(conll(tmp_path, "New York\tB-LOC\n\u00a0\tO\nis\tO\n"))
    assert set(data.fields["x"].names[2:]) == {"New York", "\u00a0", "is"}


def test_columns_and_comments_are_chosen(tmp_path):
    text = "# source: me\n1 Ada B-PER x\n2 left O x\n"
    data = loaded(conll(tmp_path, text, word_column=1, tag_column=2, comment="#"))
    assert data.fields["x"].names[2:] == ("Ada", "left")
    assert tags_of(data) == [["B-PER", "O"]]
    speech = loaded(conll(tmp_path, tag_column=1, name="speech.txt"))
    assert speech.fields["y"].names == (".", "CD", "JJ", "NN", "NNP", "VBZ")


def test_what_is_written_is_read_again(tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for _ in range(50):
        n = int(rng.integers(1, 9))
        made.append(
            ([f"w{i}" for i in rng.integers(0, 20, n)], [("O", "B-A", "I-A", "B-B")[k] for k in rng.integers(0, 4, n)])
        )
    path = tmp_path / "made.txt"
    path.write_text(_conll.text(made))
    found = _conll.sentences(path)
    assert [(list(s.words), list(s.tags)) for s in found] == made
    assert _conll.text((s.words, s.tags) for s in found) == path.read_text()
    numbered = path.read_text().split("\n")
    assert all(numbered[line - 1].split("\t")[0] == word for s in found for word, line in zip(s.words, s.lines, strict=True))


# Tags.

SAME = {  # of ten words: A A, B B, A, O, B, B B B
    "IOB1": "I-A I-A I-B I-B I-A O I-B B-B I-B I-B",
    "IOB2": "B-A I-A B-B I-B B-A O B-B B-B I-B I-B",
    "BIOES": "B-A E-A B-B E-B S-A O S-B B-B I-B E-B",
}


@pytest.mark.parametrize("source", SAME)
@pytest.mark.parametrize("target", SAME)
def test_every_scheme_is_found_and_converted(tmp_path, source, target):
    data = loaded(conll(tmp_path, lines(*SAME[source].split()), target_scheme=target))
    assert tags_of(data) == [SAME[target].split()]
    assert source in data.notes[0]


def test_entities_survive_every_conversion():
    rng = np.random.default_rng(0)
    for _ in range(500):
        tags = [("O", "B-A", "I-A", "B-B", "I-B", "E-A", "S-B")[k] for k in rng.integers(0, 7, rng.integers(1, 10))]
        found = _tag_schemes.entities(tags)
        for scheme in SAME:
            made = _tag_schemes.written(found, len(tags), scheme)
            assert _tag_schemes.entities(made) == found
            assert _tag_schemes.fault(made, scheme) is None
            assert set(made) <= set(_tag_schemes.names("AB", scheme))


def test_types_with_hyphens_and_without_a_name_are_read():
    assert _tag_schemes.entities(["B-A-1", "I-A-1", "I-A-2"]) == [("A-1", 0, 2), ("A-2", 2, 3)]
    assert _tag_schemes.written([("", 0, 2)], 3, "IOB2") == ["B", "I", "O"]


@pytest.mark.parametrize(
    ("tags", "line", "why"),
    [
        (("O", "B-A", "X-A", "I-A"), 3, "'X-A' is not a tag of IOB2"),
        (("B-A", "I-A", "O", "I-A"), 4, "'I-A' follows 'O'; in IOB2 an entity begins with B"),
        (("B-A", "I-B"), 2, "'I-B' follows 'B-A'"),
        (("B-A", "O-X"), 2, "'O-X' is not a tag"),
        (("S-A", "I-A", "E-A"), 2, "'I-A' follows 'S-A'; in BIOES I continues an entity of its type"),
        (("E-A", "S-A"), 1, "'E-A' follows nothing; in BIOES E continues"),
        (("S-A", "B-A", "O"), 2, "'B-A' is the last word of an entity; in BIOES it ends with E"),
        (("S-A", "B-A", "I-A"), 3, "'I-A' is the last word"),
        (("S-A", "L-A"), 2, "'L-A' is not a tag of BIOES"),
    ],
)
def test_a_tag_that_breaks_the_scheme_is_named(tmp_path, tags, line, why):
    with pytest.raises(DataError, match=f"tags.txt: line {line}: {re.escape(why)}.*dataset.scheme=IOB1 reads"):
        loaded(conll(tmp_path, lines(*tags)))


def test_a_scheme_can_be_chosen(tmp_path):
    mixed = lines("B-A", "O", "I-A", "I-B")
    assert tags_of(loaded(conll(tmp_path, mixed, scheme="IOB1"))) == [["B-A", "O", "B-A", "B-B"]]
    assert loaded(conll(tmp_path, mixed, scheme="none")).fields["y"].names == ("B-A", "I-A", "I-B", "O")
    with pytest.raises(DataError, match="line 1: 'I-A' follows nothing; in IOB2"):
        loaded(conll(tmp_path, lines("I-A", "O"), scheme="IOB2"))


# What is refused.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a B-A\nb O x\n", r"line 2: 3 columns \('b O x'\), but the lines before have 2; .* separated by blanks or tabs"),
        ("a\tB-A\n\nb B-A\n", r"line 3: 1 column \('b B-A'\), but the lines before have 2; .* separated by a tab"),
        ("a\tB-A\n\tO\n", "line 2: column 1 is empty"),
        ("a\nb\n", r"line 1: 1 column \('a'\); a word and its tag are needed"),
        ("\n\n-DOCSTART- -X- O O\n\n", "it holds no words"),
        ("", "the file is empty"),
        (b"a B-\xff\n", "line 1: this is not UTF-8"),
        ("a O\nb O\n", "every tag is 'O'; a tagger needs at least two"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, content, message):
    with pytest.raises(DataError, match=f"tags.txt: {message}"):
        loaded(conll(tmp_path, content))


def test_a_missing_column_or_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"tags.txt: line 3: dataset.tag_column=7, but there are 4 columns, 0 ... 3"):
        loaded(conll(tmp_path, tag_column=7))
    with pytest.raises(DataError, match=r"tag.txt: this file does not exist.*did you mean 'tags.txt'"):
        loaded(Conll(str(tmp_path / "tag.txt")))
    with pytest.raises(DataError, match="3 sentences are too few to split"):
        loaded(conll(tmp_path, val=0.1))


# Splits and words.


def test_sentences_are_split_whole_and_by_the_seed(tmp_path):
    text = "\n".join(f"w{i} B-A\nx O\n" for i in range(40))
    source = conll(tmp_path, text, val=0.2, test=0.1)
    data, other = loaded(source), loaded(source, 1)
    assert {split: len(fields["x"]) for split, fields in data.splits.items()} == {"train": 28, "val": 8, "test": 4}
    first, second = (set(d.fields["x"].names) for d in (data, other))
    assert len(first) == 3 + 28
    assert first != second


def test_own_files_are_the_splits(tmp_path):
    (tmp_path / "val.txt").write_text("Peter I-PER\ncame O\n")
    source = conll(tmp_path, val_path=str(tmp_path / "val.txt"), test_path=str(tmp_path / "val.txt"))
    data = loaded(source)
    assert {split: fields["x"].shape for split, fields in data.splits.items()} == {
        "train": (3, 5),
        "val": (1, 2),
        "test": (1, 2),
    }
    assert data.splits["val"]["x"].tolist() == [[8, 1]]
    assert "val: 1 sentences of" in data.notes[2]
    assert "2 words, 50.0% unknown; entities: PER 1" in data.notes[2]
    (tmp_path / "val.txt").write_text("\n\nRome B-CITY\n")
    with pytest.raises(DataError, match=r"val.txt: line 3: the tag 'B-CITY' is in no training sentence.*B-LOC"):
        loaded(source)


def test_a_tag_of_one_sentence_moves_it_to_the_training_split(tmp_path):
    text = "\n".join(f"w{i} B-{'B' if i == 7 else 'A'}\nx O\n" for i in range(20))
    for seed in range(5):
        data = loaded(conll(tmp_path, text, val=0.4), seed)
        assert ["B-B", "O"] in tags_of(data)
    assert any(
        "1 sentence moved to the training split (1 of val), which had no sentence with their tag" in n for n in data.notes
    )


def test_rare_words_are_unknown_in_training_too(tmp_path):
    text = "the B-A\nthe O\ncat O\nTHE O\n"
    data = loaded(conll(tmp_path, text, min_count=2))
    assert data.fields["x"].names == ("<pad>", "<unk>", "the")
    assert data.splits["train"]["x"].tolist() == [[2, 2, 1, 1]]
    assert data.fields["chars"].names == ("<pad>", "<unk>", "e", "h", "t")
    assert "50.0% unknown" in data.notes[1]
    lowered = loaded(conll(tmp_path, text, min_count=2, lowercase=True))
    assert lowered.splits["train"]["x"].tolist() == [[2, 2, 1, 2]]


def test_words_of_other_splits_may_be_known(tmp_path):
    (tmp_path / "val.txt").write_text("Oslo I-LOC\n")
    source = conll(tmp_path, val_path=str(tmp_path / "val.txt"), vocabulary="all", min_count=2)
    assert loaded(source).fields["x"].names == ("<pad>", "<unk>", "Oslo")


def test_digits_may_count_as_zero(tmp_path):
    data = loaded(conll(tmp_path, "1996 O\n1845 B-A\n2x O\n", digits=True, letters=2))
    assert data.fields["x"].names[2:] == ("0000", "0x")
    assert data.fields["chars"].names[2:] == ("0", "x")


def test_letters_may_be_left_out(tmp_path):
    assert list(loaded(conll(tmp_path, letters=None)).fields) == ["x", "y", "mask"]


# New files.


def test_a_saved_encoding_reads_a_new_file(tmp_path):
    data = loaded(conll(tmp_path))
    encoding, new = again(data), tmp_path / "new.txt"
    new.write_text("Peter I-PER\nmet O\n\nEU I-ORG\n")
    for with_target in (True, False):
        one, other = (e.read(new, with_target) for e in (data.encoding, encoding))
        assert one.keys() == other.keys() == {*data.fields} - (set() if with_target else {"y"})
        assert all(np.array_equal(a, other[name]) for name, a in one.items())
    assert one["x"].tolist() == [[8, 1], [6, 0]]
    assert encoding.notes(new, True) == ("2 sentences, 3 words, 1 of them unknown (33.3%)",)
    new.write_text("Peter\nmet\n")
    assert encoding.read(new, False)["x"].tolist() == [[8, 1]]
    with pytest.raises(DataError, match="a word and its tag are needed"):
        encoding.read(new, True)
    assert encoding.sentence(["Peter", "met"])["x"].tolist() == [[8, 1]]


def test_predicted_tags_are_a_column_of_the_file(tmp_path):
    encoding = loaded(conll(tmp_path)).encoding
    new = tmp_path / "new.txt"
    new.write_text("-DOCSTART-\n\nPeter x\nmet x\n\nEU x\n")
    assert encoding.labelled(new, np.array([[7, 0], [5, 3]])) == "-DOCSTART-\n\nPeter x B-PER\nmet x O\n\nEU x B-ORG\n"


def test_a_large_file_is_read_quickly(tmp_path):
    rng = generator(0, "words")
    words = np.char.add("w", rng.integers(0, 5000, 60_000).astype(str))
    text = "\n".join(f"{w} {'B-A' if i % 7 == 0 else 'O'}" + ("\n" if i % 20 == 19 else "") for i, w in enumerate(words))
    data = loaded(conll(tmp_path, text, val=0.1, min_count=2))
    assert sum(len(fields["x"]) for fields in data.splits.values()) == 3000
