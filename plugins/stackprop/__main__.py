"""Runs the command as `python -m stackprop`."""

from framework.cli import main

main()
