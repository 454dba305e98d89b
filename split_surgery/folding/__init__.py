"""Linear layers put back into one: regions of a net, the one map that each is, and the layer that stands for it.

In: open inputs and the names of what is wanted. Out: edited inputs, and why the rest was left.
Law: the layer computes what the region did, for every image, up to the stated rounding; folding twice changes nothing.
Raises: FileError, Unsupported, UsageError; Defect, where the probe finds another result than the fold.
Must not know: recipes and plans: a block is known by its structure.
"""
