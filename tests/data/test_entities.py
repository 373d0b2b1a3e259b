"""`dataset=entities`: sentences with named entities, and a marked pair of entities with its relation."""

import dataclasses

import numpy as np
import pytest
from entity_readings import best_tags, readings, relations

from framework import Data, Field, discover, generator
from framework.data.scaling import Scale
from framework.inference.model import read_about, save
from framework_datasets._entity_encoding import places
from framework_datasets._entity_grammar import NULL, RELATIONS, TAGS, WORDS, drawn
from framework_datasets.entities import Entities, marked


def loaded(**options):
    return discover().get("dataset", "entities")(**options).load(generator(0, "dataset"))


def sentences(n, noise=0.0):
    rng = np.random.default_rng(0)
    return [drawn(rng, noise) for _ in range(n)]


def test_tags_are_iob2_and_spans_are_the_tagged_names():
    for sentence in sentences(300):
        begins = [t for t, tag in enumerate(sentence.tags) if tag[0] == "B"]
        assert begins == [begin for begin, _ in sentence.spans]
        for begin, end in sentence.spans:
            kind = sentence.tags[begin][1:]
            assert sentence.tags[begin:end] == [f"B{kind}", *[f"I{kind}"] * (end - begin - 1)]
        assert sum(end - begin for begin, end in sentence.spans) == sum(tag != "O" for tag in sentence.tags)
    found = {sum(tag == "I-LOC" for tag in sentence.tags[b:e]) for sentence in sentences(300) for b, e in sentence.spans}
    assert found == {0, 1, 2}  # one, two and three words


def test_an_entity_may_follow_another_without_a_word_between():
    assert any(a[1] == b[0] for s in sentences(100) for a, b in zip(s.spans, s.spans[1:], strict=False))


def test_a_relation_holds_between_the_kinds_that_its_name_says():
    wanted = {"WORKS_FOR": "PER ORG", "LIVES_IN": "PER LOC", "LOCATED_IN": "ORG LOC", "PART_WHOLE": "LOC LOC"}
    seen = set()
    for sentence in sentences(300):
        for pair, name in sentence.relations.items():
            assert " ".join(sentence.tags[sentence.spans[i][0]][2:] for i in pair) == wanted[name]
            assert pair[::-1] not in sentence.relations  # the order matters
            seen.add(name)
    assert seen == set(RELATIONS) - {NULL}


def test_without_noise_a_sentence_has_one_reading():
    tagged = {}
    for sentence in sentences(4000):
        assert tagged.setdefault(tuple(sentence.words), sentence.tags) == sentence.tags
    for sentence in sentences(5):
        assert list(readings(sentence.words, 0)) == [tuple(sentence.tags)]


def test_a_word_alone_does_not_decide_its_tag():
    tags = {}
    for sentence in sentences(2000):
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            tags.setdefault(word, set()).add(tag)
    assert tags["Paris"] >= {"B-LOC", "B-PER", "I-PER", "B-ORG"}
    assert {word for word, found in tags.items() if len(found) > 1} >= {"Jordan", "Ford", "Stone", "Washington", "New"}
    assert tags["met"] == {"O"}


def test_the_best_tags_of_unknown_words_are_those_of_the_context():
    tags, p = best_tags(["we", "flew", "from", Field.UNKNOWN, Field.UNKNOWN, "America", "to", "Oslo"], 0.3)
    assert tags == ("O", "O", "O", "B-LOC", "I-LOC", "B-LOC", "O", "B-LOC")  # New York America
    assert p[:4] == pytest.approx((1, 1, 1, 1))
    (only,) = readings([Field.UNKNOWN, "works", "for", "Ford"], 0.3)
    assert only == ("B-PER", "O", "O", "B-ORG")


def test_the_chances_of_a_relation_are_those_of_the_data():
    words = ["we", "flew", "from", Field.UNKNOWN, Field.UNKNOWN, "America", "to", "Oslo"]
    assert relations(words, 0.3, (3, 5), (5, 6)) == pytest.approx({"PART_WHOLE": 1})
    assert relations(words, 0.3, (5, 6), (3, 5)) == pytest.approx({NULL: 1})
    rng = np.random.default_rng(0)
    sure, held = [], []
    for _ in range(100):
        sentence = drawn(rng, 0.6)
        i, j = marked(sentence, rng)
        chances = relations(sentence.words, 0.6, sentence.spans[i], sentence.spans[j])
        likely = max(chances, key=chances.get)
        sure.append(chances[likely])
        held.append(likely == sentence.relations.get((i, j), NULL))
    assert min(sure) < 0.9
    assert np.mean(held) == pytest.approx(np.mean(sure), abs=0.06)


def test_noise_is_the_share_of_unknown_words():
    words = [word for sentence in sentences(500, noise=0.3) for word in sentence.words]
    assert np.mean([word == Field.UNKNOWN for word in words]) == pytest.approx(0.3, abs=0.02)
    assert set(words) <= set(WORDS) - {Field.PADDING}
    assert Field.UNKNOWN not in {word for sentence in sentences(100) for word in sentence.words}


def test_fields_are_padded_at_the_end_and_have_names():
    data = loaded(n=200, n_val=20, n_test=0)
    arrays, fields = data.splits["train"], data.fields
    mask = arrays["mask"] > 0
    assert set(data.splits) == {"train", "val"}
    assert {name: a.shape for name, a in arrays.items()} == {
        **dict.fromkeys(("x", "y", "mask", "pair", "pair_mask"), (200, 15)),
        "relation": (200,),
    }
    assert (np.diff(arrays["mask"], axis=1) <= 0).all()
    assert (arrays["x"][~mask] == 0).all()
    assert (arrays["x"][mask] > 0).all()
    assert fields["x"].names[:2] == (Field.PADDING, Field.UNKNOWN)
    assert fields["y"].names == TAGS == data.names
    assert data.names_of("relation") == list(RELATIONS)


def test_a_pair_is_two_entities_in_either_order():
    data = loaded(n=400, noise=0)
    arrays = data.splits["train"]
    both = [(row == 1).argmax() < (row == 3).argmax() for row in arrays["pair"]]
    assert 0.3 < np.mean(both) < 0.9
    for x, y, pair in zip(arrays["x"], arrays["y"], arrays["pair"], strict=True):
        for code in (1, 3):
            (at,) = np.nonzero(pair == code)
            tags = [TAGS[k] for k in y[at]]
            assert [tag[0] for tag in tags] == ["B", *"I" * (len(at) - 1)], [WORDS[k] for k in x]
    share = np.bincount(arrays["relation"], minlength=5) / 400
    assert share[0] == pytest.approx(0.58, abs=0.06)
    assert (share[1:] > 0.05).all()


def test_places_are_those_of_the_notes_example():
    # From New York America: the pair (New York, America), and the same pair in the other order
    assert places((1, 3), (3, 4), 5) == [0, 1, 1, 3, 0]
    assert places((3, 4), (1, 3), 5) == [0, 3, 3, 1, 0]
    assert places((0, 1), (4, 6), 7) == [1, 2, 2, 2, 3, 3, 0]


def test_every_second_pair_has_a_relation_where_there_is_one():
    rng = np.random.default_rng(0)
    sentence = next(s for s in sentences(50) if s.relations == {(1, 0): "PART_WHOLE"})
    drawn_pairs = [marked(sentence, rng) for _ in range(400)]
    assert np.mean([pair == (1, 0) for pair in drawn_pairs]) == pytest.approx(0.5, abs=0.06)


def test_names_of_fields_are_saved_with_a_model(tmp_path):
    data = loaded(n=10)
    save(tmp_path, {}, data, Scale("none", {}, {}))
    about, _ = read_about(tmp_path)
    assert about.fields == data.fields


def test_a_field_has_a_name_for_each_class_or_none():
    with pytest.raises(ValueError, match=r"names: 2 names \(got size 3\); one for each id or class, or none"):
        Field("N", "label", 3, ("a", "b"))
    fields = {"x": Field("NT", "id", 4), "y": Field("N", "label", 2), "z": Field("N", "label", 3, ("p", "q", "r"))}
    data = Data({}, fields, names=("no", "yes"))
    assert data.names_of("x") == ["0", "1", "2", "3"]
    assert data.names_of("y") == ["no", "yes"]
    assert data.names_of("z") == ["p", "q", "r"]
    assert data.names_of(None) == []


def test_the_seed_of_the_data_decides():
    again = dataclasses.replace(Entities(), n=5)
    first, second, other = (again.load(np.random.default_rng(seed)).splits["train"]["x"] for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != other).any()
