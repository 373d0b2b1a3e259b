"""Tags of entities and the relation of a pair, from the data to the answer: rows B11, L4 and L5 of the notes."""

import dataclasses
import functools

import numpy as np
import pytest
from configs import prepared as configured
from networks import backpropagate
from stack_law import assert_law

from framework import Context, load
from framework.core.errors import ConfigError
from framework.training.trainer import train
from framework_layers.gradient_scale import GradientScale

SIZES = "dataset=entities dtype=float64 dataset.n=24 dataset.n_val=8 dataset.n_test=0 trainer.batch_size=8"
SMALL = f"{SIZES} model.embedding=3 model.hidden=2 model.filters=3"
SHARED = ("words", "back", "ahead")


@functools.cache
def prepared(overrides):
    """An experiment, composed once for all tests that ask for it."""
    return configured(overrides)


def sentences(experiment, rows):
    """A time-major batch."""
    fields = experiment.data.fields
    return {name: a[rows].T if fields[name].time_major else a[rows] for name, a in experiment.data.splits["train"].items()}


def gradients(experiment, batch, heads=None):
    """The loss and the gradient of every tensor."""
    learner = experiment.learner
    p, _ = learner.network.init(0)
    loss, _, g, _ = backpropagate(learner.network, heads or learner.heads, p, batch)
    return loss, g


# ---- the network ----


def test_B11_two_heads_have_one_encoder():
    network = prepared("model=joint dataset=entities dataset.n=10 dataset.n_val=0 dataset.n_test=0").learner.network
    tensors, shapes = network.init(0)
    V, d, h, f, tags, relations = 57, 16, 32, 32, 7, 5
    lstm = (d + h + 1) * 4 * h + 3 * h
    tagger = V * d + 2 * lstm + (2 * h + 1) * tags
    assert tagger + (3 * (2 * h + d + 4) + 1) * f + (f + 1) * relations == network.arena(tensors).P
    assert (shapes["tag"], shapes["relation_of"]) == ((None, tags), (relations,))


def test_L4_the_classifier_reads_encodings_merged_with_vectors_and_places():
    experiment = prepared(f"model=relations {SMALL}")
    network, batch = experiment.learner.network, sentences(experiment, slice(3))
    p, _ = network.init(0)
    values, _ = network.forward(p, Context(train=False, batch=batch))
    back, ahead, words = (values[name] for name in SHARED[1:] + SHARED[:1])
    for t, n in ((0, 0), (3, 1), (5, 2)):
        place = np.eye(4)[batch["pair"][t, n]]
        expected = [back[t, n], ahead[t, n], p["words"]["W"][batch["x"][t, n]], place]
        assert values["merged"][t, n] == pytest.approx(np.concatenate(expected))
    assert words.shape[-1] == 3


def test_L4_only_the_pair_and_the_words_between_are_pooled():
    experiment = prepared(f"model=relations {SMALL}")
    learner, batch = experiment.learner, sentences(experiment, slice(8))
    p, _ = learner.network.init(0)
    _, _, _, dvalues = backpropagate(learner.network, learner.heads, p, batch)
    reached = np.abs(dvalues["merged"]).sum(-1) > 0
    assert reached.any(0).all()
    assert not reached[batch["pair"] == 0].any()
    assert reached[batch["pair"] == 2].any()


def test_L4_the_order_of_the_pair_matters():
    experiment = prepared(f"model=relations {SMALL}")
    network, batch = experiment.learner.network, sentences(experiment, slice(8))
    p, _ = network.init(0)
    turned = batch | {"pair": np.array([0, 3, 2, 1])[batch["pair"]]}
    one, other = (network.forward(p, Context(train=False, batch=b))[0]["out"] for b in (batch, turned))
    assert (np.abs(one - other).max(-1) > 1e-3).all()


# ---- gradients ----


@pytest.mark.parametrize("model", ["joint heads.relation.weight=0.7", "relations"])
def test_B11_gradients_through_both_heads_are_those_of_differences(model):
    experiment = prepared(f"model={model} {SMALL}")
    network, heads, batch = experiment.learner.network, experiment.learner.heads, sentences(experiment, slice(4))
    p, _ = network.init(1)
    _, _, g, _ = backpropagate(network, heads, p, batch)
    rng, h = np.random.default_rng(0), 1e-5
    for node, tensors in p.items():
        for t, w in tensors.items():
            v = rng.standard_normal(w.shape)
            up, down = (backpropagate(network, heads, p | {node: tensors | {t: w + s * v}}, batch)[0] for s in (h, -h))
            assert (g[node][t] * v).sum() == pytest.approx((up - down) / (2 * h), abs=1e-8), f"{node}.{t}"


def test_B11_the_encoder_gets_the_sum_of_both_gradients():
    experiment = prepared(f"model=joint {SMALL} heads.tags.weight=0.5 heads.relation.weight=2")
    batch, heads = sentences(experiment, slice(8)), experiment.learner.heads
    alone = {name: gradients(experiment, batch, {name: dataclasses.replace(h, weight=1.0)}) for name, h in heads.items()}
    (loss, g), (tags, g_tags), (relation, g_relation) = gradients(experiment, batch), alone["tags"], alone["relation"]
    assert loss == pytest.approx(0.5 * tags + 2 * relation)
    for node in SHARED:
        for t, dW in g[node].items():
            assert np.abs(g_relation[node][t]).max() > 0
            assert dW == pytest.approx(0.5 * g_tags[node][t] + 2 * g_relation[node][t], abs=1e-15)


def test_B11_with_scale_0_the_relations_do_not_train_the_encoder():
    joint, pipeline = (prepared(f"model=joint {SMALL} model.scale={scale}") for scale in (1, 0))
    batch = sentences(joint, slice(8))
    tags = {"tags": joint.learner.heads["tags"]}
    (_, g), (_, stopped), (_, of_tags) = (gradients(joint, batch), gradients(pipeline, batch), gradients(joint, batch, tags))
    for node in SHARED:
        for t, dW in stopped[node].items():
            assert np.array_equal(dW, of_tags[node][t])
            assert not np.array_equal(dW, g[node][t])
    for node in ("windows", "relation_of", "tag"):
        assert all(np.array_equal(dW, g[node][t]) for t, dW in stopped[node].items())


def test_the_gradient_is_scaled_for_each_replica_and_the_output_is_not():
    ctx, x = Context(replicas=(3,), keys=(0, 1, 2)), np.random.default_rng(0).standard_normal((3, 4, 5, 2))
    layer = GradientScale(np.array([1.0, 0.0, -0.5]))
    y, cache = layer.forward({}, x, ctx)
    assert np.array_equal(y, x)
    dx, grads = layer.backward({}, cache, x, ctx)
    assert np.array_equal(dx, x * np.array([1, 0, -0.5]).reshape(3, 1, 1, 1))
    assert grads == {}
    assert layer.backward({}, cache, x, ctx, need_dx=False)[0] is None


# ---- training ----


def test_B11_a_stack_of_joint_trainings_and_pipelines_equals_each_alone():
    words = f"model=joint {SMALL} trainer.steps=6"
    learners = [prepared(f"{words} model.scale={scale} heads.relation.weight={w}").learner for scale, w in ((1, 1), (0, 3))]
    assert_law(learners, prepared(words).data, [0, 1])


@pytest.mark.slow
def test_B11_entities_first_then_relations_on_the_frozen_encoder(ask):
    words = [*f"model=joint {SMALL} optimizer.lr=0.02 trainer.epochs=2 tracking=none".split(), "tier=array"]
    assert ask(*words, "heads.relation.weight=0")[0] == 0
    first = load("last").weights
    later = ("model.init_from=last", "model.frozen=true", "heads.tags.weight=0")
    status, printed, errors = ask(*words, *later)
    assert status == 0, errors
    assert "grad_norm/back" not in printed
    second = load("last").weights
    for node in (*SHARED, "tag"):
        assert all(np.array_equal(a, second[node][t]) for t, a in first[node].items()), node
    for node in ("windows", "relation_of"):
        assert not np.array_equal(first[node]["W"], second[node]["W"])


@pytest.mark.slow
def test_B11_both_are_learned_from_noisy_sentences():
    words = "model=joint dataset=entities optimizer.lr=0.01 schedule=cosine trainer.batch_size=32 trainer.epochs=10"
    made = [prepared(f"{words} model.scale={scale}") for scale in (0, 1)]
    for outcome in train([one.learner for one in made], [made[0].data], [0, 0], threads=1, tier="array"):
        assert outcome.metrics["val/entity_f1"] > 0.9
        assert outcome.metrics["val/relation_f1"] > 0.85


def test_two_metrics_of_a_head_are_measured_and_a_wrong_head_is_named():
    measures = prepared(f"model=joint {SMALL}").learner.measures
    assert {name: measure.head for name, measure in measures.items()} == {
        "entity_f1": "tags",
        **dict.fromkeys(("relation_f1", "relation_precision", "relation_recall"), "relation"),
    }
    with pytest.raises(ConfigError, match=r"metrics.relation_f1.head: unknown head 'relations'; did you mean 'relation'"):
        prepared(f"model=joint {SMALL} metrics.relation_f1.head=relations")
