# For type checkers, which do not see that the two modules are one.
from framework import *
from framework import __version__ as __version__
