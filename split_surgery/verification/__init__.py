"""A derived net held against its baseline, from the files alone and by running both.

In: two nets, each with its weights. Out: coverage, blocks, changes and outputs, as values.
Law: what Caffe would leave random, or stop at, is never called right; a net always equals itself.
Raises: FileError and Unsupported, for files that cannot be judged at all.
Must not know: plans, recipes and edits: it judges nets that other programs made, too.
"""
