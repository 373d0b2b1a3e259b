"""Searches: which trials to run next.

space.py         what a key may be: numbers, or one of several words
ant_colony.py    ACO_R for numbers, pheromone for words
cell_ants.py     ants that walk through a recurrent cell, and so prune it
optuna.py        random and TPE, through Optuna
overrides.py     the ranges of a command become a space
runner.py        trials run as a batch of jobs, until there are enough
history.py       what was tried, on disk
"""
