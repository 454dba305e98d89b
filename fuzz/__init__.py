"""Fuzzing: every reader, and every verb that edits, against files that nobody would write, guided by what they reach (`make fuzz`).

A harness is a module with SEEDS, the files to begin with; `check`, which holds one file to the law (see `fuzz.law`); and, where plain
bytes reach too little, `mutated`, which changes a file within its format. What breaks the law is kept in `fuzz/crashes/HARNESS`, and
tests/outside/test_fuzz.py holds every file there to the law ever after.
"""

HARNESSES = (
    "prototxt", "caffemodel", "solverstate", "hdf5", "logs", "options", "scores", "inputs", "convert", "surgery", "images", "editing",
)  # fmt: skip
