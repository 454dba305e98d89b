"""Real architectures that real Caffe builds in few seconds, and nets made small."""

from __future__ import annotations

import re

from split_surgery.documents.net.net import Net
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.wire import Buffer
from split_surgery.errors import UsageError
from split_surgery.verification.engines.prepare import Runnable, prepare
from tests.support.nets import tiny_weights

DUCHA = "ducha-aiki__caffenet-benchmark/prototxt__"


ARCHITECTURES = [
    "BVLC__caffe/at_28a8b411a1__examples__mnist__lenet_consolidated_solver",
    "BVLC__caffe/at_8c46bd229c__examples__triplet__pascal3d_triplet",
    "BVLC__caffe/examples__cifar10__cifar10_full",
    "BVLC__caffe/examples__cifar10__cifar10_full_sigmoid_train_test_bn",
    "BVLC__caffe/examples__cifar10__cifar10_quick",
    "BVLC__caffe/examples__net_surgery__conv",
    "MyCaffe__MyCaffe/MyCaffe.app__Resources__lenet_train_test",
    "HoldenCaulfieldRye__caffe-1/models_old__soil_contam__logs__nopool_sl__soil_contam_train",
    "cvjena__cnn-models/ResNet_preact__ResNet10_cvgj__deploy",
    "cwlacewe__netscope/presets__sq11b2a_e3",
    "cwlacewe__netscope/presets__squeezenet_v11",
    "cwlacewe__netscope/presets__zynqnet",
    "eric612__MobileNet-YOLO/models__convert__darknet19_conv23",
    DUCHA + "activations__caffenet128_lsuv_BatchNorm_ScB_nononlin",
    DUCHA + "activations__caffenet128_lsuv_felu",
    DUCHA + "activations__caffenet_lsuv_ReLU_fc_maxout",
    DUCHA + "architectures__HeNet128_no_SPP_lsuv_vlrelu",
    DUCHA + "architectures__HeNet128_no_SPP_lsuv_vlrelu_2x2to3x1",
    DUCHA + "architectures__SqueezeNet128_new",
    DUCHA + "architectures__caffenet128_lsuv_no_group",
    DUCHA + "caffenet128_BatchNormAfterMaxout_lsuv",
    DUCHA + "clf_arch__ReLU_fc6=512C3_1024C3_1536C1_clf_drop_more",
    DUCHA + "clf_arch__caffenet128_lsuv_ELU_pool5_pad_fc6_fc7_1x1_ave_plus_maxfc8",
    DUCHA + "colorspace__caffenet128_lsuv_3_to_16_to_3_vlrelu_color",
    DUCHA + "contrib__caffenet128_1x3_sz_augm",
    DUCHA + "contrib__caffenet128_BatchNormAfterReLU_dropout_fc_02_5x5_to_3x3_AND_faster_lr_AND_PReLU",
    DUCHA + "contrib__caffenet128_1x5_nobn",
    DUCHA + "contrib__caffenet128_lsuv_no_lrn_thin",
    DUCHA + "contrib__complexity__caffenet128_lsuv_2sqrt2x_thinner",
    DUCHA + "contrib__darknet128_lsuv_prelu_bn",
    DUCHA + "contrib__vgglike__calssicnet_res_connect_drop",
]
"""Nets with other layers, kernels or connections each, that BVLC Caffe 1.0 builds, and whose weights take few seconds."""


SIDE = 64
"""Pixels a side, at most: what the deepest of them still takes."""


def shrunk(net: Net) -> Runnable:
    """A net for the TEST phase with inputs of batch 1 and at most SIDE pixels a side."""
    shapes: dict[str, tuple[int, ...]] = {}
    stub = Caffemodel(Buffer(tiny_weights()))
    while True:
        try:
            found = prepare(net, stub, shapes)
            break
        except UsageError as error:
            name = re.search(r'shape of input "(.*)"', str(error))
            if name is None or name[1] in shapes:
                raise
            shapes[name[1]] = (1, 3, SIDE, SIDE)
    small = {
        name: (1, *shape[1:2], *(min(SIDE, side) for side in shape[2:])) if len(shape) == 4 else shape
        for name, shape in found.inputs.items()
    }
    return prepare(net, stub, small)
