"""Run by pycaffe's Python: a JSON list of tasks on standard input, done in their order in one process; a JSON list of answers on
standard output.

    {"do": "fill", "net", "model", "seed"}       random numbers for a net, saved as pycaffe saves (HDF5 where the name ends in .h5)
    {"do": "save", "net", "model", "to"}         loaded, and saved again
    {"do": "print", "net", "to"}                 the prototxt as protobuf prints it
    {"do": "as V1", "model", "to"}               the records as V1 `layers`
    {"do": "damage", "model", "how", "layer", "to"}    one of DAMAGES, done to a layer
    {"do": "judge", "net", "model", "like"}      what Caffe does with a pair; `like` is another pair, or null

The answer to the last is null where Caffe aborts, else {"unfilled": layers, "of_like": its unfilled layers, "difference": of the
outputs from those of `like`, relative to their largest number; null where an output has another shape}.
"""

import json
import sys

import caffe
import numpy as np
from caffe.proto import caffe_pb2
from caffe_oracle import DAMAGES, answer, fill, loaded, outputs, read, records, unfilled, write
from google.protobuf import text_format

BY_NAME = {damage.__name__: damage for damage in DAMAGES}


def saved(net, path):
    (net.save_hdf5 if path.endswith(".h5") else net.save)(path)
    return True


def filled(task):
    net = caffe.Net(task["net"], caffe.TEST)
    fill(net, task["seed"])
    return saved(net, task["model"])


def printed(task):
    net = caffe_pb2.NetParameter()
    with open(task["net"]) as file:
        text_format.Merge(file.read(), net)
    with open(task["to"], "w") as file:
        file.write(text_format.MessageToString(net))
    return True


V1_TYPES = {
    number.name.replace("_", "").lower(): number.number
    for number in caffe_pb2.V1LayerParameter.LayerType.DESCRIPTOR.values
}


def as_v1(task):
    whole = read(task["model"])
    for layer in whole.layer:
        old = whole.layers.add(name=layer.name, bottom=layer.bottom, top=layer.top)
        old.type = V1_TYPES.get(layer.type.lower(), 0)
        for blob in layer.blobs:
            old.blobs.add().CopyFrom(blob)
    del whole.layer[:]
    write(task["to"], whole)
    return True


def damaged(task):
    whole = read(task["model"])
    layer = next(one for one in records(whole) if one.name == task["layer"])
    BY_NAME[task["how"]](whole, layer)
    write(task["to"], whole)
    return True


def left_random(text, model):
    """The layers that Caffe does not fill, tested or trained."""
    found = unfilled(loaded(text, model), model)
    with open(text) as file:
        if "phase:" in file.read():
            found += unfilled(loaded(text, model, caffe.TRAIN), model)
    return sorted(set(found))


def judged(task):
    found = {"unfilled": left_random(task["net"], task["model"]), "of_like": [], "difference": 0.0}
    if task["like"] is not None:
        found["of_like"] = left_random(*task["like"])
        was, now = (outputs(loaded(*files)) for files in (task["like"], (task["net"], task["model"])))
        if {name: array.shape for name, array in was.items()} != {name: array.shape for name, array in now.items()}:
            found["difference"] = None
        else:
            sizes = [(np.abs(now[name] - was[name]).max(), np.abs(was[name]).max()) for name in was]
            found["difference"] = max(float(moved / (size or 1.0)) for moved, size in sizes)
            assert np.isfinite(found["difference"])
    return found


DO = {
    "fill": filled,
    "save": lambda task: saved(loaded(task["net"], task["model"]), task["to"]),
    "print": printed,
    "as V1": as_v1,
    "damage": damaged,
    "judge": judged,
}

print(json.dumps([answer(lambda task=task: DO[task["do"]](task)) for task in json.load(sys.stdin)]))
