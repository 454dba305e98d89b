"""The tests: a folder for each package, and those of the whole; tests/support holds what several of them share."""

import os

# Each worker of pytest-xdist is a thread's worth of work already: on matrices this small, BLAS threads only wait for one another.
# It must be said before numpy is loaded, and real Caffe inherits it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
