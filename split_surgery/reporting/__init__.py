"""What people look at: accuracy tables out of logs, curves, kernels, block diagrams and pages.

In: logs, plans and open files. Out: tables, pictures and pages.
Law: a number that is shown was read or measured; text of a file is shown as text, whatever it holds.
Raises: FileError and UsageError, naming the log or the layer.
Must not know: folding, verification and edits; matplotlib stays in pictures.
"""
