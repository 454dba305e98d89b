"""Caffe's binary files: an index of layers and blobs, whose numbers are read only when asked for."""
