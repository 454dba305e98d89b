"""What the files of a directory that a split or a fold writes are called."""

NET_FILE, WEIGHTS_FILE, SOLVER_FILE, PLAN_FILE = "net.prototxt", "net.caffemodel", "solver.prototxt", "split.yaml"
STATE_FILE, FOLD_FILE = "net.solverstate", "fold.yaml"
HDF5_SUFFIX = ".h5"
WEIGHTS_FILES = (WEIGHTS_FILE, WEIGHTS_FILE + HDF5_SUFFIX)
BINARY_FILES = (*WEIGHTS_FILES, STATE_FILE, STATE_FILE + HDF5_SUFFIX)
OWN_FILES = (NET_FILE, *BINARY_FILES, SOLVER_FILE, PLAN_FILE, FOLD_FILE)
BINARY_SUFFIXES = (".caffemodel", ".solverstate", HDF5_SUFFIX, ".npy")
"""How the names of binary files end, whoever chose them."""
