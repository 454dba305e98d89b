"""Operations on a net and its weights other than splits and folds: the rules of each in a short file.

In: open files and what is asked for. Out: edited texts and weights, and what the operation rounds or loses.
Law: what is not asked for stays byte for byte; what is undone is as it was, or the operation says what is lost.
Raises: Unsupported, FileError, OptionError; Defect, where the proof finds something else than was meant.
Must not know: recipes, plans and folds; each other.
"""
