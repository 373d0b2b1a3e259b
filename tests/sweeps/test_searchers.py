"""Searches: ants for numbers and words, ants in a cell, Optuna. No shell in here."""

import numpy as np
import pytest
from networks import learner

from framework import Network, discover, generator
from framework.core.validation import Validator
from framework.sweeps.search.ant_colony import AntColony, ColonyOptions, probabilities, weights
from framework.sweeps.search.cell_ants import CellAnts, CellOptions, as_rows
from framework.sweeps.search.optuna import OptunaSearcher
from framework.sweeps.search.space import Choice, Number, fault
from framework.training.trainer import train
from framework_cells.masked_lstm import MaskedLstm
from framework_datasets.lagged_inputs import LaggedInputs
from framework_layers.dense import Dense
from framework_layers.recurrent import Recurrent
from framework_losses.mse import MeanSquaredError
from framework_optimizers.adam import Adam

MIXED = {
    "lr": Number(1e-4, 1.0, log=True),
    "units": Number(4, 64, step=1),
    "optimizer": Choice(("sgd", "adam", "nag")),
}


def loss(trial):
    """Smallest at lr 0.01, 32 units, adam."""
    far = (np.log10(float(trial["lr"])) + 2) ** 2 + (int(trial["units"]) / 32 - 1) ** 2
    return far + {"adam": 0.0, "nag": 0.3, "sgd": 1.0}[trial["optimizer"]]


def walked(search, iterations, count=8):
    """The losses of all trials, and the trials."""
    trials, losses = [], []
    for _ in range(iterations):
        found = search.ask(count)
        search.tell([loss(trial) for trial in found])
        trials += found
        losses += [loss(trial) for trial in found]
    return losses, trials


def test_4_6_the_weights_of_ranks_are_those_of_the_notes():
    assert weights(10, 0.1)[:4] == pytest.approx([0.398942, 0.241971, 0.053991, 0.004432], abs=5e-7)
    assert probabilities(10, 0.1)[:4] == pytest.approx([0.570348, 0.345934, 0.077188, 0.006336], abs=5e-7)


def test_4_6_the_defaults_are_those_of_the_paper():
    options = ColonyOptions()
    assert (options.ants, options.k, options.q, options.xi) == (2, 50, 1e-4, 0.85)
    assert (options.evaporation, options.least) == (0.1, 0.1)  # of words; the paper has none


def test_4_6_a_sphere_of_four_dimensions_is_solved_in_200_iterations():
    colony = AntColony({f"x{i}": Number(-5.0, 5.0) for i in range(4)}, ColonyOptions(ants=5, k=20, q=0.1), seed=0)
    for _ in range(200):
        colony.ask(5)
        colony.tell((colony.asked[0] ** 2).sum(1))
    assert colony.losses[0] < 1e-13


def test_4_6_sigma_is_the_mean_distance_from_the_guide_times_xi():
    colony = AntColony({"x": Number(0.0, 10.0)}, ColonyOptions(ants=3, k=3, xi=0.5))
    colony.ask(3)
    colony.asked = np.array([[1.0], [2.0], [6.0]]), np.empty((3, 0), int)
    colony.tell([0.1, 0.2, 0.3])
    assert colony._sigma(np.array([0, 2]))[:, 0] == pytest.approx([0.5 * 6 / 2, 0.5 * 9 / 2])


def test_4_5_pheromone_evaporates_and_rises_on_the_words_of_good_trials():
    options = ColonyOptions(ants=4, k=2, q=0.5, evaporation=0.25, least=0.3)
    colony = AntColony({"word": Choice(("a", "b", "c"))}, options)
    colony.ask(4)
    colony.asked = np.empty((4, 0)), np.array([[2], [1], [0], [0]])
    colony.tell([0.5, 0.7, 0.9, float("nan")])
    p = probabilities(2, 0.5)
    third = 1 / 3
    assert colony.tau["word"] == pytest.approx([0.75 * third, 0.75 * third + 0.25 * p[1], 0.75 * third + 0.25 * p[0]])
    for _ in range(20):
        colony.asked = np.empty((1, 0)), np.array([[0]])
        colony.tell([1.0])
    assert colony.tau["word"][0] == pytest.approx(0.3 / 3)  # never less


def test_the_ants_find_numbers_and_words():
    losses, trials = walked(AntColony(MIXED, ColonyOptions(ants=8, k=10, q=0.1, evaporation=0.2), seed=3), 15)
    best = trials[int(np.argmin(losses))]
    assert best["optimizer"] == "adam"
    assert 0.005 < float(best["lr"]) < 0.02
    assert 26 <= int(best["units"]) <= 38
    late = [trial["optimizer"] for trial in trials[-40:]]
    assert late.count("adam") > 25


def test_the_same_seed_gives_the_same_ants_and_another_one_others():
    def ants(seed):
        return walked(AntColony(MIXED, ColonyOptions(ants=8, k=10), seed), 4)[1]

    assert ants(1) == ants(1)
    assert ants(1) != ants(2)


def test_what_failed_is_the_worst_and_guides_nobody_while_there_are_others():
    colony = AntColony({"x": Number(0.0, 1.0)}, ColonyOptions(ants=4, k=4, q=1e-4), seed=0)
    colony.ask(4)
    colony.tell([float("nan"), 0.5, float("inf"), 0.1])
    assert colony.losses.tolist() == [0.1, 0.5, np.inf, np.inf]
    assert colony.s[0] == colony.asked[0][3]


def test_4_5_a_word_of_a_trial_that_failed_gains_no_pheromone():
    colony = AntColony({"w": Choice(("good", "bad"))}, ColonyOptions(k=2, q=0.5, evaporation=0.2, least=0.01))
    colony.asked = np.empty((2, 0)), np.array([[0], [1]])
    colony.tell([0.1, float("inf")])
    assert colony.tau["w"].tolist() == pytest.approx([0.8 / 2 + 0.2 * probabilities(2, 0.5)[0], 0.8 / 2])


@pytest.mark.parametrize(
    ("number", "coordinate", "word"),
    [
        (Number(4, 64, step=1), 63.6, "64"),
        (Number(4, 64, step=1), 70.0, "64"),
        (Number(0, 10, step=5), 2.4, "0"),
        (Number(0.0, 1.0, step=0.25), 0.4, "0.5"),
        (Number(1e-4, 1.0, log=True), np.log(0.0123456789), "0.0123457"),
        (Number(1, 100, log=True, step=1), np.log(9.7), "10"),
        (Number(0.0, 1.0), -3.0, "0"),
    ],
)
def test_a_coordinate_becomes_a_word(number, coordinate, word):
    assert number.word(coordinate) == word


def test_every_whole_number_has_its_share():
    rng = np.random.default_rng(0)
    number = Number(1, 4, step=1)
    words = [number.word(x) for x in rng.uniform(*number.bounds, 4000)]
    assert all(abs(words.count(word) - 1000) < 100 for word in "1234")
    assert number.ends == ("1", "4")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Number(1.0, 1.0), "contains no numbers"),
        (Number(0.0, 1.0, log=True), "above 0"),
        (Number(-1.0, 1.0, log=True), "above 0"),
        (Number(1, 9, step=0), "above 0"),
        (Number(1, 9, log=True, step=2), "steps of 1"),
        (Number(1, 9, step=2), None),
    ],
)
def test_a_range_without_numbers_is_refused(number, expected):
    assert (fault(number) is None) if expected is None else (expected in fault(number))


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_optuna_is_asked_for_batches_and_told_of_failures(sampler):
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    from framework.sweeps.search.optuna import OptunaSearcher

    first, again = (walked(OptunaSearcher(MIXED, sampler, seed=1), 3) for _ in range(2))
    assert first == again
    assert {word for trial in first[1] for word in trial} == set(MIXED)
    search = OptunaSearcher(MIXED, sampler)
    search.ask(2)
    search.tell([float("nan"), 0.5])
    assert search.study.best_value == 0.5


def test_random_search_ignores_the_losses_and_tpe_follows_them():
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    from framework.sweeps.search.optuna import OptunaSearcher

    def after(sampler, sign):
        search = OptunaSearcher({"x": Number(0.0, 1.0)}, sampler, seed=3)
        for _ in range(3):
            search.tell([sign * float(trial["x"]) for trial in search.ask(5)])
        return search.ask(5)

    assert after("random", 1) == after("random", -1)
    assert after("tpe", 1) != after("tpe", -1)


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        (Number(1e-4, 1.0, log=True), ("FloatDistribution", 1e-4, 1.0, True, None)),
        (Number(0.0, 1.0, step=0.25), ("FloatDistribution", 0.0, 1.0, False, 0.25)),
        (Number(4, 64, step=3), ("IntDistribution", 4, 64, False, 3)),
        (Number(1, 9, log=True, step=1), ("IntDistribution", 1, 9, True, 1)),
    ],
)
def test_optuna_draws_numbers_as_they_are_declared(dimension, expected):
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    from framework.sweeps.search.optuna import distribution

    d = distribution(dimension)
    assert (type(d).__name__, d.low, d.high, d.log, d.step) == expected


@pytest.mark.parametrize(
    ("dimension", "value", "word"),
    [
        (Number(1e-4, 1.0, log=True), 0.0123456789, "0.0123457"),
        (Number(0.0, 1e6, step=0.1), 123456.7, "123456.7"),
        (Number(1, 2_000_000, step=1), 1_234_567, "1234567"),
        (Choice(("sgd", "adam")), "adam", "adam"),
    ],
)
def test_a_value_of_optuna_becomes_a_word(dimension, value, word):
    from framework.sweeps.search.optuna import override_value

    assert override_value(dimension, value) == word


def cells(data, words, steps):
    """Validation losses of LSTM with these connections, trained as one stack."""
    members = []
    for connections in words:
        rnn = Recurrent(MaskedLstm(8, connections=connections))
        network = Network({"rnn": rnn, "out": Dense(1)}, data.shapes())
        members.append(learner(network, Adam(lr=0.02), MeanSquaredError(), steps=steps, batch_size=30, train_metrics=False))
    return [outcome.metrics["val/loss"] for outcome in train(members, [data], [0] * len(members))]


def test_N5_of_fifteen_inputs_the_ants_keep_the_three_that_matter():
    data = LaggedInputs(n=60, n_val=100, n_test=0, length=6).load(generator(0, "dataset"))
    ants = CellAnts("connections", 15, 8, CellOptions(), seed=0)
    for _ in range(15):
        ants.tell(cells(data, [trial["connections"] for trial in ants.ask(8)], 80))
    assert ants.entry[:3].min() > ants.entry[3:].max()
    best = ants.best[0][2]
    assert best[:3].any(1).all()
    assert best.mean() < 0.4


def test_N5_the_same_seed_gives_the_same_cells():
    def asked(seed):
        ants = CellAnts("connections", 5, 3, CellOptions(), seed)
        found = []
        for losses in ([0.3, 0.1], [0.2, 0.4]):
            found += [trial["connections"] for trial in ants.ask(2)]
            ants.tell(losses)
        return found

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_4_5_pheromone_rises_on_what_the_best_cells_have():
    ants = CellAnts("connections", 2, 2, CellOptions(k=1, evaporation=0.5, least=0.1))
    ants.ask(2)
    ants.asked = [np.array([[1, 0], [0, 0], [0, 1], [0, 0]], bool), np.ones((4, 2), bool)]
    ants.tell([0.1, float("inf")])
    assert ants.tau.tolist() == [[1, 0.5], [0.5, 0.5], [0.5, 1], [0.5, 0.5]]
    assert ants.entry.tolist() == [1, 0.5]
    for _ in range(9):
        ants.asked = []
        ants.tell([])
    assert ants.entry[1] == 0.1


def test_4_5_an_ant_walks_from_an_input_through_units():
    ants = CellAnts("connections", 3, 4, CellOptions(ants=1))
    for i in range(50):
        cell = ants.walked(np.random.default_rng(i))
        assert cell[:3].sum() == 1  # one way in
        reached = cell.any(0)
        assert not cell[3:][~reached].any()  # a unit is left only where it was reached


def test_4_5_in_each_unit_an_ant_leaves_with_probability_a_half():
    ants = CellAnts("connections", 1, 40, CellOptions(ants=1))
    lengths = np.array([ants.walked(np.random.default_rng(i)).sum() for i in range(400)])
    assert [np.mean(lengths == n) for n in (1, 2, 3)] == pytest.approx([1 / 2, 1 / 4, 1 / 8], abs=0.05)


def test_4_5_of_equally_good_cells_the_older_stays():
    ants = CellAnts("connections", 1, 1, CellOptions(k=1))
    for cell in ([[1], [0]], [[0], [1]]):
        ants.asked = [np.array(cell, bool)]
        ants.tell([0.5])
    assert ants.best[0][2].tolist() == [[True], [False]]


def test_4_5_the_report_says_what_the_best_cell_keeps():
    ants = CellAnts("connections", 12, 1, CellOptions(k=1, evaporation=0.5))
    assert ants.report() == "no trial of a cell has finished"
    cell = np.zeros((13, 1), bool)
    cell[[2, 11]] = True
    ants.asked = [cell]
    ants.tell([0.5])
    inputs = "2: 1.00, 11: 1.00, 0: 0.50, 1: 0.50, 3: 0.50, 4: 0.50, 5: 0.50, 6: 0.50, 7: 0.50, 8: 0.50 ..."
    assert ants.report() == f"it keeps 2 of 13 connections, from inputs 2, 11 of 12\npheromone of the inputs: {inputs}"


def test_a_cell_is_written_in_hexadecimal_digits_a_source_at_a_time():
    assert as_rows(np.array([[1, 1, 0, 0, 0, 0, 0, 1, 1], [0] * 9], bool)) == "c180-0000"


def test_the_defaults_of_ants_in_a_cell():
    assert CellOptions() == CellOptions(cells=8, ants=12, k=8, evaporation=0.2, least=0.02)


def test_searches_begin_from_seed_0():
    space = {"x": Number(0.0, 1.0), "word": Choice(("a", "b"))}
    for search in (
        lambda *seed: AntColony(space, ColonyOptions(), *seed),
        lambda *seed: CellAnts("connections", 3, 2, CellOptions(), *seed),
        lambda *seed: OptunaSearcher(space, "tpe", *seed),
    ):
        assert search().ask(2) == search(0).ask(2)
        assert search().ask(2) != search(1).ask(2)


@pytest.mark.parametrize(
    ("options", "beyond"),
    [
        (ColonyOptions, {"ants": 0, "k": 1, "q": 0.0, "xi": 0.0, "evaporation": 0.0, "least": 0.0}),
        (ColonyOptions, {"evaporation": 1.1, "least": 1.1}),
        (CellOptions, {"cells": 0, "ants": 0, "k": 0, "evaporation": 0.0, "least": -0.1}),
        (CellOptions, {"evaporation": 1.1, "least": 1.1}),
    ],
)
def test_options_of_a_search_keep_to_their_bounds(options, beyond):
    for key, value in beyond.items():
        judge = Validator(discover(), {})
        judge.fill(options, {key: value}, "hydra.sweeper", "ants")
        assert next(iter(judge.errors)).startswith(f"hydra.sweeper.{key}: {value} must be")
