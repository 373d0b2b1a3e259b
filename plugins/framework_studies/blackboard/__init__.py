"""A training step as a lecturer writes it on the board.

board.py      numbered steps, in text and in Markdown
pen.py        numbers as they stand there
scene.py      what is written about: one network's step, and the names of things
forward.py    the forward pass, node by node
loss.py       the loss, example by example
backward.py   the error at every node, last first, and the gradients of its tensors
"""
