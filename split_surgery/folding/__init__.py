"""Linear layers put back into one: regions of a net, the one map that each is, and the layer that stands for it.

In: open inputs and the names of what is wanted. Out: edited inputs, and why the rest was left.
Law: the layer computes what the region did, for every image, up to the stated rounding; folding twice changes nothing.
Raises: FileError, Unsupported, UsageError; Defect, where the probe finds another result than the fold.
When a BatchNorm (BN, Scale, Bias, Power; Dropout, in nets that are only tested) folds, into the convolution, Deconvolution or
InnerProduct before it or after it, or into its Scale: `--all` was given (`--layer` narrows);
its statistics are the stored ones (use_global_stats, `--phase test`, or nothing says that the net is trained: `verbs/fold.py`,
_only_tested); it has its blobs, a finite scale, and no field that is not understood (by_channel.py; understood.py,
check_understood); the layers between are a closed group (documents/net/flow.py, bottom_of) that begins with nothing of another's
(search.py, _begins_with_anothers); every phase and file that has them agrees, or where it is only tested every phase TEST; no name is
taken, no parameter is shared with a layer that stays, no loss_weight or in-place layer is in between, no padding makes it inexact
(kernels/linear_maps.py, NotExact), and nothing overflows or, without `--allow-larger`, grows (collapse.py).
Must not know: recipes and plans: a block is known by its structure.
"""
