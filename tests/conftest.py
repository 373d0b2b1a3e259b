"""Two pytest workers share two cores; there threads of BLAS that wait for each other make tests a hundred times slower."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
