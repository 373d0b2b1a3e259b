"""What holds for all tests, and for the processes that they start."""

import atexit
import os
import shutil
import tempfile

# Two pytest workers share two cores; there threads of BLAS that wait for each other make tests a hundred times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What tests run is not what the user of this machine trusts.
os.environ["STACKPROP_STATE"] = tempfile.mkdtemp(prefix="stackprop-tests-")
atexit.register(shutil.rmtree, os.environ["STACKPROP_STATE"], ignore_errors=True)
