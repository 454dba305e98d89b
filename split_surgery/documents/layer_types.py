"""Which of Caffe's layer types have parameter blobs."""

from __future__ import annotations

WITH_BLOBS = frozenset(
    "Convolution Deconvolution InnerProduct BatchNorm Scale Bias PReLU Embed LSTM RNN Parameter Normalize".split()
)
"""Layer types that have parameter blobs (BVLC Caffe 1.0, and SSD's Normalize)."""

WITHOUT_BLOBS = frozenset(
    "AbsVal Accuracy ArgMax BatchReindex BNLL Clip Concat ContrastiveLoss Crop Data Dropout DummyData ELU Eltwise "
    "EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData InfogainLoss Input Log LRN MemoryData "
    "MultinomialLogisticLoss MVN Pooling Power Reduction ReLU Reshape Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax "
    "SoftmaxWithLoss Split SPP Swish TanH Threshold Tile WindowData Permute PriorBox DetectionOutput ReLU6".split()
)
"""Layer types without any (BVLC Caffe 1.0, SSD)."""
