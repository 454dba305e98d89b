"""The rules of operations on a net and its weights other than the split and the fold, each in a short file.

In: prototxts and weights, opened, and what is asked for. Out: what becomes of each, as splices, and what that rounds or loses.
Law: every byte that an operation does not speak of stays; what is undone is as it was, or the operation says what is lost.
Raises: UsageError, OptionError, FileError, Unsupported, with the place; Defect, where the proof finds something else than was meant.
Must not know: recipes, plans and folds, and how anything is printed.
"""
