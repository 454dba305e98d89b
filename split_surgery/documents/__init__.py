"""Caffe's files, byte for byte, and the net that they describe.

In: bytes of prototxts, weights files and solver states, read by range. Out: layers, blobs and records that know their spans,
and splices that edit them.
Law: with no splices the output is the input; outside the splices not one byte differs.
Raises: FileError, for what is malformed, and Unsupported, for what is well formed and not edited, both with the place.
Must not know: kernels, plans, directories, and why anything is edited.
"""
