"""Run by pycaffe's Python: what real Caffe does with nets and damaged weights. A JSON object on standard input: `nets` (name: prototxt
text) and `folder`; pairs of files are left there, and on standard output a JSON list of [prototxt, weights, what was done, verdict].

Each pair is tried in a child process, for Caffe aborts: True where it loads the weights and every blob of every layer holds what the
file says. The weights are made and damaged with Caffe's own protobuf classes.
"""

import json
import os
import re
import sys

import caffe
from caffe.proto import caffe_pb2
from caffe_oracle import DAMAGES, TEXTS, answer, fill, loaded, read, unfilled, write


def made(text, model):
    net = caffe.Net(text, caffe.TEST)
    fill(net)
    net.save(model)
    return True


def filled(text, model):
    return not unfilled(loaded(text, model), model)


given, found = json.load(sys.stdin), []
for name, whole_text in given["nets"].items():
    base = os.path.join(given["folder"], name)
    text, model = base + ".prototxt", base + ".caffemodel"
    with open(text, "w") as file:
        file.write(whole_text)
    assert answer(lambda text=text, model=model: made(text, model)), name
    damages = [(text, model, "as it is")]
    for at, (what, old, new) in enumerate(TEXTS[1:]):
        if re.search(old, whole_text):
            edited = f"{base}_{at}.prototxt"
            with open(edited, "w") as file:
                file.write(re.sub(old, new, whole_text, count=1))
            damages.append((edited, model, what))
    for damage in DAMAGES:
        whole = read(model)
        for place in [at for at, layer in enumerate(whole.layer) if layer.blobs]:
            other = caffe_pb2.NetParameter()
            other.CopyFrom(whole)
            layer = other.layer[place].name
            damage(other, other.layer[place])
            path = f"{base}_{damage.__name__}_{place}.caffemodel"
            write(path, other)
            damages.append((text, path, f"{damage.__name__} of {layer}"))
    found += [(a, b, what, bool(answer(lambda a=a, b=b: filled(a, b)))) for a, b, what in damages]
print(json.dumps(found))
