"""Searches: which trials to run next.

space.py         the values of a key: numbers, or one of several words
ant_colony.py    ACO_R for numbers, pheromone for words
cell_ants.py     ants that walk through a recurrent cell, and prune it
optuna.py        random and TPE, through Optuna
overrides.py     the ranges of a command become a space
runner.py        runs batches of trials until there are enough
history.py       the completed trials, on disk
"""
