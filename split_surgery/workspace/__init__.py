"""The files of one run: opened once, edited in memory, and written to DIR, compared with it or shown.

In: paths as the user gave them. Out: open inputs, a directory's files by what they are, and finished outputs.
Law: an input is never touched; an output appears complete or not at all; each file is opened and indexed once.
Raises: FileError and UsageError, naming the path.
Must not know: plans, recipes and kernels: what is done with the files is for the stages above.
"""
