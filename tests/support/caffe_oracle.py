"""For the scripts that pycaffe's Python runs: numbers for nets, damages to weights, and what real Caffe does with a pair of files."""

import json
import os
import sys

sys.path.pop(0)  # the folder of the script: its modules would hide others of the same names
os.environ["GLOG_minloglevel"] = "3"  # noqa: SIM112 (glog spells it so)

import caffe
import h5py
import numpy as np
from caffe.proto import caffe_pb2


def fill(net, seed=0):
    """Random numbers for every blob of a net; a BatchNorm's are such as training leaves."""
    draw = np.random.RandomState(seed)
    kinds = {name: layer.type for name, layer in zip(net._layer_names, net.layers)}
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            shape = blob.data.shape
            numbers = draw.standard_normal(shape) * 0.1
            if kinds[name] == "BatchNorm":  # mean, variance, and the factor that both are divided by
                numbers = [numbers, 0.5 + draw.uniform(size=shape), np.full(shape, 2.0)][index]
            elif index == 0 and len(shape) > 1:
                numbers = numbers * 10 / np.sqrt(np.prod(shape[1:]))
            elif index == 0:
                numbers = numbers + 1  # Scale, PReLU
            blob.data[...] = numbers


def records(net):
    return net.layer if len(net.layer) else net.layers  # those of V1


def drop(net, layer):
    records(net).remove(layer)


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
    records(net).add().CopyFrom(layer)


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


def read(model):
    """A binary weights file."""
    whole = caffe_pb2.NetParameter()
    with open(model, "rb") as file:
        whole.ParseFromString(file.read())
    return whole


def write(model, whole):
    with open(model, "wb") as file:
        file.write(whole.SerializeToString())


def answer(work):
    """What `work` returns, done in a child process, for Caffe aborts: then None."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(2)
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else None


def stored(model):
    """By layer, what a weights file has for its blobs, by index: of several records the last."""
    if h5py.is_hdf5(model):
        with h5py.File(model, "r") as file:
            return {name: {int(at): blob[()] for at, blob in group.items()} for name, group in file["data"].items()}
    whole = read(model)
    return {
        layer.name: {at: blob.double_data or blob.data for at, blob in enumerate(layer.blobs)}
        for layer in records(whole)
    }


def unfilled(net, model):
    """The layers of a net with a blob that does not hold what the weights file has for it, once Caffe has loaded that.

    A blob that it has nothing for is filled where it has something for another layer with the same blob, by a parameter's name.
    """
    numbers, found, alone, filled = stored(model), set(), {}, set()
    for name, blobs in net.params.items():
        for at, blob in enumerate(blobs):
            place = blob.data.__array_interface__["data"][0]
            there = numbers.get(name, {}).get(at)
            if there is None:
                alone[name, at] = place
            elif np.array_equal(np.asarray(there, "f4").reshape(-1), blob.data.reshape(-1)):
                filled.add(place)
            else:
                found.add(name)
    return sorted(found | {name for (name, _), place in alone.items() if place not in filled})


def loaded(text, model, phase=caffe.TEST):
    net = caffe.Net(text, phase)
    net.copy_from(model)
    return net


def outputs(net):
    """The outputs of a net on random inputs."""
    draw = np.random.RandomState(5)
    for name in net.inputs or [net._blob_names[at] for at in net._top_ids(0)]:
        net.blobs[name].data[...] = draw.standard_normal(net.blobs[name].data.shape)
    net.forward()
    return {name: net.blobs[name].data.copy() for name in net.outputs}
