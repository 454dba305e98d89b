"""Run by the Python that has pycaffe: the shapes of all blobs and parameters of nets in phase TEST, as a JSON list.

caffe_shapes.py NET...
"""

import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
sys.path.pop(0)
import caffe

found = []
for text in sys.argv[1:]:
    net = caffe.Net(text, caffe.TEST)
    blobs = {name: list(blob.data.shape) for name, blob in net.blobs.items()}
    params = {name: [list(blob.data.shape) for blob in blobs] for name, blobs in net.params.items()}
    found.append({"blobs": blobs, "params": params})
print(json.dumps(found))
