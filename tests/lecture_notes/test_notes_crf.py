"""The CRF output layer, compared with the enumeration of all sequences of tags."""

import itertools

import numpy as np
import pytest

from framework import Context, Head, run
from framework.core.errors import ConfigError
from framework.testing.differentiable import check_gradient
from framework.testing.stacks import equal
from framework.testing.subjects import of_loss
from framework.testing.tiers import check_tiers
from framework_layers.transitions import Transitions
from framework_losses.crf import Crf
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy

pytestmark = pytest.mark.usefixtures("unrendered")

T, N, K = 4, 3, 3
RNG = np.random.default_rng(0)
X, GOLD = RNG.standard_normal((T, N, K)) * 2, RNG.integers(0, K, (T, N))
A, START, END = (RNG.standard_normal(shape) * 2 for shape in ((K, K), (1, K), (1, K)))
SCORES, _ = Transitions().forward({"A": A, "start": START, "end": END}, X, Context())
SHOWN = {
    "whole": np.ones((T, N)),
    "padded on the right": np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0]]),
    "padded on the left": np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]),
    "with a gap": np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 1, 1]]),
}
REDUCTIONS = ("mean", "sum", "sum_over_time")
QUICK = ("tracking=none", "tier=array")


def score(tags, x):
    return (
        START[0, tags[0]]
        + END[0, tags[-1]]
        + sum(x[t, k] for t, k in enumerate(tags))
        + sum(A[i, j] for i, j in itertools.pairwise(tags))
    )


def enumerated(n, shown):
    """Of one sequence: its steps, all sequences of tags, and their scores."""
    steps = np.flatnonzero(shown[:, n])
    every = list(itertools.product(range(K), repeat=len(steps)))
    return steps, every, np.array([score(tags, X[steps, n]) for tags in every])


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_the_loss_is_log_z_minus_the_score(shown):
    wanted = 0
    for n in range(N):
        steps, _, scores = enumerated(n, shown)
        wanted += np.log(np.exp(scores).sum()) - score(GOLD[steps, n], X[steps, n])
    value, _ = Crf()((X, SCORES), GOLD, Context(), shown * 1.0)
    assert value == pytest.approx(wanted / N, rel=1e-12)


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_the_gradient_is_marginals_minus_counts(shown):
    dx, dA, dstart, dend = np.zeros_like(X), np.zeros((K, K)), np.zeros(K), np.zeros(K)
    for n in range(N):
        steps, every, scores = enumerated(n, shown)
        p = np.exp(scores) / np.exp(scores).sum()
        for tags, q in [*zip(every, p, strict=True), (GOLD[steps, n], -1)]:
            dstart[tags[0]] += q
            dend[tags[-1]] += q
            dx[steps, n, tags] += q
            for i, j in itertools.pairwise(tags):
                dA[i, j] += q
    _, (found, dscores) = Crf("sum")((X, SCORES), GOLD, Context(), shown * 1.0)
    p = {"A": A, "start": START, "end": END}
    _, grads = Transitions().backward(p, X, dscores, Context())
    equal(found, dx, "dx")
    equal(grads["A"], dA, "dA")
    equal(grads["start"][0], dstart, "the gradient of the first tags")
    equal(grads["end"][0], dend, "the gradient of the last tags")


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_the_prediction_is_the_best_of_all_sequences(shown):
    path = Crf().predict((X, SCORES), Context(train=False), shown * 1.0)
    assert set(np.unique(path)) == {0, 1}
    assert (path.sum(-1) == 1).all()
    for n in range(N):
        steps, every, scores = enumerated(n, shown)
        assert path[steps, n].argmax(-1).tolist() == list(every[scores.argmax()])


def test_the_best_path_is_not_the_best_tag_of_each_step():
    path = Crf().predict((X, SCORES), Context())
    assert (path.argmax(-1) != X.argmax(-1)).any()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("mask", [None, SHOWN["padded on the left"] * [1.0, 2.0, 1.0]], ids=["no mask", "weights"])
def test_without_transitions_it_is_a_softmax(reduction, mask):
    value, (dx, _) = Crf(reduction)((X, 0 * SCORES), GOLD, Context(), mask)
    plain, dy = SoftmaxCrossEntropy(reduction)(X, GOLD, Context(), mask)
    assert value == pytest.approx(plain, rel=1e-12)
    equal(dx, dy, "dx")


def test_large_scores_do_not_overflow():
    for scale in (1e3, -1e3):
        value, dy = Crf()((X * scale, SCORES * scale), GOLD, Context())
        assert np.isfinite(value)
        assert all(np.isfinite(d).all() for d in dy)


def test_an_empty_sequence_has_no_loss():
    mask = np.ones((T, N))
    mask[:, 1] = 0
    value, (dx, _) = Crf("sum")((X, SCORES), GOLD, Context(), mask)
    others = [Crf("sum")((X[:, [n]], SCORES[:, [n]]), GOLD[:, [n]], Context())[0] for n in (0, 2)]
    assert value == pytest.approx(sum(others))
    assert not dx[:, 1].any()


@pytest.mark.parametrize("check", [check_gradient, check_tiers], ids=["gradient", "tiers"])
def test_sequences_in_both_tiers_and_by_differences(check):
    check(Crf(), of_loss(None, time=True))


def test_a_head_tells_the_prediction_which_steps_there_are():
    mask = SHOWN["padded on the right"] * 1.0
    values, ctx = {"x": X, "s": SCORES}, Context(batch={"mask": mask})
    equal(Head(Crf(), ("x", "s")).prediction(values, ctx), Crf().predict((X, SCORES), ctx, mask), "the prediction")
    end = SCORES[..., -K:] * [1, 1, 50]
    values["s"] = np.concatenate((SCORES[..., :-K], end), -1)
    whole = Head(Crf(), ("x", "s"), mask=None).prediction(values, ctx)
    assert (whole != Head(Crf(), ("x", "s")).prediction(values, ctx)).any()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"the emissions \(4, 3, 3\) need transitions of shape .* \(got \(4, 3, 3\)\)"):
        Crf()((X, X), GOLD, Context())
    plain = ("model=crf", "dataset=tagging", "model.layers.transitions=null", "tracking=none")
    with pytest.raises(ConfigError, match=r"heads.loss: Crf needs 48 outputs of 'both' for the target 'y'"):
        run(*plain, "heads.loss={type: crf, from: [out, both]}", "model.layers.out.units=6")
    with pytest.raises(ConfigError, match="Crf reads 2 layers"):
        run(*plain, "loss=crf")


def test_a_tagger_with_a_crf_learns_from_one_command():
    result = run("model=crf", "dataset=tagging", "dataset.n=200", "trainer.epochs=12", "optimizer.lr=0.02", *QUICK)
    assert result.metrics["val/accuracy"].values[-1] > 0.95


def test_the_loss_of_transitions_may_be_named():
    how = ("model=crf", "dataset=tagging", "dataset.n=20", "trainer.epochs=1", *QUICK)
    by_step, by_sequence = (
        run(*how, *more).metrics["val/loss"].values[-1] for more in (["loss=crf", "loss.reduction=mean"], [])
    )
    assert 0 < by_step < by_sequence / 3


def test_chunks_of_a_sequence_have_no_crf_of_their_own():
    how = ("model=crf", "model.layers.back.reverse=false", "dataset=tagging", "dataset.n=20", "tracking=none")
    with pytest.raises(ConfigError, match=r"trainer.bptt.chunk: the loss Crf of head 'loss' is that of whole sequences"):
        run(*how, "trainer.bptt.chunk=4")
