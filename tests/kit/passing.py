"""What the tests of right components share."""

import unittest

from framework.testing import conformance


def failures(kind, component, in_shape=None, without=()):
    """The checks that fail, with their messages; `without` some of them."""
    found = []
    for check in conformance(kind, component, in_shape):
        if check.name in without:
            continue
        try:
            check()
        except unittest.SkipTest:
            continue
        except Exception as error:  # a check may fail in any way
            found.append(f"{check.name}: {type(error).__name__}: {error}")
    return found
