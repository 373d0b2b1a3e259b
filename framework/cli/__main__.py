"""Runs the command `stackprop` as `python -m framework.cli`."""

from framework.cli import main

main()
