"""What to try next: searches that are asked for trials and told what came of them. No shell, no training in here.

space.py         what a key may be: numbers, or one of several words
ant_colony.py    ACO_R for numbers, pheromone for words
cell_ants.py     ants that walk through a recurrent cell, and so prune it
by_optuna.py     random and TPE, through Optuna
"""
