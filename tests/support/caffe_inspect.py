"""Run by the Python that has pycaffe: what nets hold once Caffe has loaded them, as a JSON list.

caffe_inspect.py PHASE (NET WEIGHTS)...: digests of every parameter blob, and the loss weight of every blob.
"""

import hashlib
import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
import caffe

caffe.set_mode_cpu()
found = []
for text, weights in zip(sys.argv[2::2], sys.argv[3::2]):
    net = caffe.Net(text, getattr(caffe, sys.argv[1]), weights=weights)
    net.forward()
    params = {
        name: [hashlib.sha256(blob.data.tobytes()).hexdigest() for blob in blobs] for name, blobs in net.params.items()
    }
    found.append({"params": params, "losses": dict(net.blob_loss_weights), "layers": list(net._layer_names)})
print(json.dumps(found))
