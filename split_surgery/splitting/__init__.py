"""A convolution split into fast and slow kernels: options, ranking, plan, edits, and the proof of them.

In: open inputs and the user's options. Out: edited inputs, and the plan that makes them again.
Law: the same inputs and options give the same bytes; what is written is what the plan says, proven through protobuf's own parsers.
Raises: UsageError, Unsupported, FileError; Defect, where the proof disagrees.
Must not know: how folding works, how reports look, and the command line.
"""
