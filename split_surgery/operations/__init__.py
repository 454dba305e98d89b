"""The rules of operations on a net other than the split and the fold.

In: prototxts and weights, opened. Out: what becomes of each, as splices, and what was done.
Law: every byte that an operation does not speak of stays.
Raises: UsageError, for what does not fit the net, with the place.
Must not know: plans, recipes, folds, and how anything is printed.
"""
