"""Whole entities: precision, recall and F1, against an evaluation written word by word, and published values."""

import numpy as np
import pytest
from configs import messages, prepared

from framework import Context
from framework.core.errors import ConfigError
from framework_metrics import _entities
from framework_metrics.entity_f1 import EntityF1
from framework_metrics.entity_precision import EntityPrecision
from framework_metrics.entity_recall import EntityRecall

BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
BIOES = ("O", *(f"{p}-{kind}" for kind in ("PER", "LOC") for p in "BIES"))
CTX = Context()

# conlleval, as pairs of prefixes: where an entity ends, and where one starts, between two words of one type. S is of later
# versions.
ENDS = {"BB", "BO", "BS", "IB", "IO", "IS", "EE", "EI", "EO", "EB", "ES", "SB", "SI", "SE", "SS", "SO"}
STARTS = {"BB", "IB", "OB", "OI", "OE", "OS", "EE", "EI", "EB", "ES", "SB", "SI", "SE", "SS", "BS", "IS"}


def evaluated(true, guessed):
    """type -> right, predicted and true entities of one sentence, word by word as the script does it."""
    counts, open_pair = {}, False
    last_true = last_guessed = ("O", "")

    def add(kind, column):
        counts.setdefault(kind, [0, 0, 0])[column] += 1

    def switches(table, before, now):
        return before[0] + now[0] in table or (before[1] != now[1] and (before if table is ENDS else now)[0] != "O")

    for t, g in zip([*true, "O"], [*guessed, "O"], strict=True):
        now_true, now_guessed = ((tag[0], tag[2:]) for tag in (t, g))
        if open_pair:
            end_true, end_guessed = switches(ENDS, last_true, now_true), switches(ENDS, last_guessed, now_guessed)
            if end_true and end_guessed:
                add(last_true[1], 0)
            open_pair = not end_true and not end_guessed
        start_true, start_guessed = switches(STARTS, last_true, now_true), switches(STARTS, last_guessed, now_guessed)
        open_pair = open_pair or (start_true and start_guessed and now_true[1] == now_guessed[1])
        if start_guessed:
            add(now_guessed[1], 1)
        if start_true:
            add(now_true[1], 2)
        last_true, last_guessed = now_true, now_guessed
    return counts


def one_hot(ids, K):
    return (np.asarray(ids)[..., None] == np.arange(K)).astype(float)


def counted(tags, true, guessed, mask=None):
    """Counts of sentences (T, N) of ids."""
    return EntityF1(tags).count(one_hot(guessed, len(tags)), np.asarray(true), CTX, mask)


@pytest.mark.parametrize("tags", [BIO, BIOES], ids=["IOB", "BIOES"])
def test_thousands_of_sentences_are_counted_as_word_by_word(tags):
    rng = np.random.default_rng(0)
    n, steps = 2500, 9
    true, lengths = rng.integers(0, len(tags), (steps, n)), rng.integers(1, steps + 1, n)
    guessed = np.where(rng.uniform(size=true.shape) < 0.8, true, rng.integers(0, len(tags), true.shape))
    mask = (np.arange(steps)[:, None] < lengths) * 1.0
    found = counted(tags, true, guessed, mask)
    expected = np.zeros((3, 2))
    for k, length in enumerate(lengths):
        own, other = ([tags[i] for i in ids[:length, k]] for ids in (true, guessed))
        for kind, three in evaluated(own, other).items():
            expected[:, ["LOC", "PER"].index(kind)] += three
    assert found.tolist() == expected.ravel().tolist()
    assert 0.2 < expected[0].sum() / expected[2].sum() < 0.9


@pytest.mark.parametrize(
    ("true", "guessed", "right", "predicted", "wanted"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", 1, 1, 1),
        ("B-PER I-PER O", "I-PER I-PER O", 1, 1, 1),  # I after O starts an entity
        ("B-PER I-PER O", "B-PER O O", 0, 1, 1),
        ("B-PER I-PER O", "B-PER I-LOC O", 0, 2, 1),  # another type starts an entity
        ("B-PER I-PER I-PER", "B-PER B-PER I-PER", 0, 2, 1),
        ("B-PER B-PER O", "B-PER I-PER O", 0, 1, 2),
        ("B-PER I-PER B-LOC", "B-LOC I-LOC B-LOC", 1, 2, 2),
        ("O O O", "O O O", 0, 0, 0),
        ("O B-PER I-PER", "O B-PER I-PER", 1, 1, 1),  # to the end of the sentence
    ],
)
def test_an_entity_is_right_as_a_whole(true, guessed, right, predicted, wanted):
    ids = [[BIO.index(tag) for tag in words.split()] for words in (true, guessed)]
    counts = counted(BIO, *(np.array(row)[:, None] for row in ids))
    assert _entities.total(counts, BIO).tolist() == [right, predicted, wanted]


def test_the_published_example_of_conlleval():
    # Of the output example of the CoNLL-2000 shared task: ADJP, ADVP, NP, PP, SBAR, VP; right, found, in the corpus.
    counts = np.array([[0, 5, 206, 89, 2, 69], [1, 11, 317, 107, 3, 100], [6, 8, 262, 90, 6, 87]], float)
    tags = ("O", *(f"B-{kind}" for kind in ("ADJP", "ADVP", "NP", "PP", "SBAR", "VP")))
    published = [(EntityPrecision, 68.83), (EntityRecall, 80.83), (EntityF1, 74.35)]
    for metric, value in published:
        assert 100 * metric(tags).value(counts.ravel()) == pytest.approx(value, abs=0.005)
    assert counts.sum(1).tolist() == [371, 539, 459]
    by_type = {kind: round(100 * float(value), 2) for kind, value in EntityF1(tags).parts(counts.ravel()).items()}
    assert by_type == {"ADJP": 0, "ADVP": 52.63, "NP": 71.16, "PP": 90.36, "SBAR": 44.44, "VP": 73.8}


def test_padding_on_either_side_is_no_entity():
    true = np.array([[1, 0], [2, 0], [0, 3], [0, 4]])
    guessed = np.array([[1, 3], [2, 3], [3, 3], [3, 4]])
    mask = np.array([[1, 0], [1, 0], [0, 1], [0, 1]]) * 1.0
    assert _entities.total(counted(BIO, true, guessed, mask), BIO).tolist() == [2, 2, 2]
    assert _entities.total(counted(BIO, true, guessed), BIO).tolist() == [2, 6, 2]


def test_batches_add_up_and_replicas_are_separate():
    rng = np.random.default_rng(1)
    y, t = rng.uniform(size=(3, 7, 20, 5)), rng.integers(0, 5, (1, 7, 20))
    mask, ctx = (rng.uniform(size=(1, 7, 20)) < 0.8) * 1.0, Context(replicas=(3,), keys=(0, 1, 2))
    metric = EntityF1(BIO)
    whole = metric.count(y, t, ctx, mask)
    parts = [metric.count(y[:, :, s], t[:, :, s], ctx, mask[:, :, s]) for s in (slice(8), slice(8, 20))]
    assert np.array_equal(whole, parts[0] + parts[1])
    for r in range(3):
        assert np.array_equal(whole[r], metric.count(y[r], t[0], CTX, mask[0]))
    y[1] = np.nan
    assert np.isnan(metric.value(metric.count(y, t, ctx, mask))).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("entity_f1", "metrics.entity_f1: tags: unknown tag 'determiner'"),
        ("{type:entity_f1,tags:[O,B-A]}", "metrics.entity_f1.tags: 'y' has 6 classes, but got 2 names"),
    ],
)
def test_a_metric_without_tags_of_entities_is_refused(metric, message):
    with pytest.raises(ConfigError, match=message):
        prepared(f"model=birnn dataset=tagging metrics=[{metric}]")


def test_tags_that_are_no_entities_are_refused_where_they_are_given():
    assert messages("metrics: [{type: entity_f1, tags: [A, B]}]") == [
        "metrics.entity_f1: tags: unknown tag 'A'; allowed: O, and B, I, E or S with a type: B-PER"
    ]
    with pytest.raises(ValueError, match="no class is an entity"):
        EntityF1(("O",))
    with pytest.raises(ValueError, match="the names of the classes are needed"):
        EntityF1().count(one_hot([0], 2), np.array([0]), CTX)


def test_the_tags_come_from_the_data():
    made = prepared("model=birnn dataset=tagging dataset.n=20 metrics=[{type:entity_f1,tags:[O,B-A,I-A,B-B,I-B,S-C]}]")
    assert made.learner.measures["entity_f1"].metric.tags == ("O", "B-A", "I-A", "B-B", "I-B", "S-C")
