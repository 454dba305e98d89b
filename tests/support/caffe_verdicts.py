"""Run by pycaffe's Python: what real Caffe does with nets and damaged weights. A JSON object on standard input: `nets` (name: prototxt
text) and `folder`; pairs of files are left there, and on standard output a JSON list of [prototxt, weights, what was done, verdict].

Each pair is tried in a child process, for Caffe aborts: True where it loads the weights and every blob of every layer holds what the
file says. The weights are made and damaged with Caffe's own protobuf classes.
"""

import json
import os
import re
import sys

os.environ["GLOG_minloglevel"] = "3"  # noqa: SIM112 (glog spells it so)
sys.path.pop(0)

import caffe
import numpy as np
from caffe.proto import caffe_pb2


def drop(net, layer):
    net.layer.remove(layer)


def empty(net, layer):
    del layer.blobs[:]


def short(net, layer):
    del layer.blobs[0].data[1:]


def extra_number(net, layer):
    layer.blobs[-1].data.append(1.0)


def both(net, layer):
    layer.blobs[0].double_data.extend([1.0])


def doubles(net, layer):
    layer.blobs[0].double_data.extend(list(layer.blobs[0].data))
    del layer.blobs[0].data[:]


def extra_blob(net, layer):
    layer.blobs.add().CopyFrom(layer.blobs[-1])


def lost_blob(net, layer):
    del layer.blobs[-1]


def one_axis_more(net, layer):
    layer.blobs[-1].shape.dim.insert(0, 1)


def turned(net, layer):
    dims = list(layer.blobs[0].shape.dim)[::-1]
    del layer.blobs[0].shape.dim[:]
    layer.blobs[0].shape.dim.extend(dims)


def legacy(net, layer):
    for blob in layer.blobs:
        dims = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
        blob.num, blob.channels, blob.height, blob.width = dims
        blob.ClearField("shape")


def twice(net, layer):
    net.layer.add().CopyFrom(layer)


def renamed(net, layer):
    layer.name += "_"


DAMAGES = [
    drop,
    empty,
    short,
    extra_number,
    both,
    doubles,
    extra_blob,
    lost_blob,
    one_axis_more,
    turned,
    legacy,
    twice,
    renamed,
]

TEXTS = [
    ("as it is", r"^", ""), ("one channel", r"dim: 4 dim: 8", "dim: 1 dim: 8"), ("larger images", r"dim: 8 dim: 8", "dim: 8 dim: 9"),
    ("another number of outputs", r"num_output: 6", "num_output: 8"), ("another kernel", r"kernel_size: 3", "kernel_size: 5"),
    ("a bottom that is not there", r'bottom: "data"', 'bottom: "daat"'), ("groups", r"kernel_size: 3", "kernel_size: 3 group: 2"),
    ("three groups", r"kernel_size: 3", "kernel_size: 3 group: 3"), ("no bias", r"kernel_size: 3", "kernel_size: 3 bias_term: false"),
    ("another stride", r"kernel_size: 3", "kernel_size: 3 stride: 2"), ("another name", r'name: "conv"', 'name: "other"'),
]  # fmt: skip


def in_a_child(work):
    child = os.fork()
    if not child:
        os.close(2)
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def filled(text, model):
    """Whether Caffe loads the weights, and each blob holds what the last record of its layer says."""
    net = caffe.Net(text, caffe.TEST)
    net.copy_from(model)
    whole = caffe_pb2.NetParameter()
    with open(model, "rb") as file:
        whole.ParseFromString(file.read())
    records = {layer.name: layer for layer in whole.layer}
    for name, blobs in net.params.items():
        if name not in records:
            return False
        for blob, stored in zip(blobs, records[name].blobs):
            numbers = stored.double_data if len(stored.double_data) else stored.data
            if not np.array_equal(np.asarray(numbers, np.float32), blob.data.reshape(-1)):
                return False
    return True


def made(text, model):
    net = caffe.Net(text, caffe.TEST)
    draw = np.random.RandomState(0)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = draw.standard_normal(blob.data.shape)
    net.save(model)
    return True


given, found = json.load(sys.stdin), []
for name, whole_text in given["nets"].items():
    base = os.path.join(given["folder"], name)
    text, model = base + ".prototxt", base + ".caffemodel"
    with open(text, "w") as file:
        file.write(whole_text)
    assert in_a_child(lambda text=text, model=model: made(text, model)), name
    damages = [(text, model, "as it is")]
    for at, (what, old, new) in enumerate(TEXTS[1:]):
        if re.search(old, whole_text):
            edited = f"{base}_{at}.prototxt"
            with open(edited, "w") as file:
                file.write(re.sub(old, new, whole_text, count=1))
            damages.append((edited, model, what))
    for damage in DAMAGES:
        whole = caffe_pb2.NetParameter()
        with open(model, "rb") as file:
            whole.ParseFromString(file.read())
        for place in [at for at, layer in enumerate(whole.layer) if layer.blobs]:
            other = caffe_pb2.NetParameter()
            other.CopyFrom(whole)
            layer = other.layer[place].name
            damage(other, other.layer[place])
            path = f"{base}_{damage.__name__}_{place}.caffemodel"
            with open(path, "wb") as file:
                file.write(other.SerializeToString())
            damages.append((text, path, f"{damage.__name__} of {layer}"))
    found += [(a, b, what, in_a_child(lambda a=a, b=b: filled(a, b))) for a, b, what in damages]
print(json.dumps(found))
