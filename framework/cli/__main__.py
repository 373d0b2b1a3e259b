"""`python -m framework.cli`, which is `stackprop`."""

from framework.cli import main

main()
