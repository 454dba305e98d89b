"""Run by the Python that has pycaffe: what a net holds once Caffe has loaded it, as JSON.

caffe_inspect.py NET WEIGHTS PHASE: digests of every parameter blob, and the loss weight of every blob.
"""

import hashlib
import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
import caffe

caffe.set_mode_cpu()
net = caffe.Net(sys.argv[1], getattr(caffe, sys.argv[3]), weights=sys.argv[2])
net.forward()
params = {
    name: [hashlib.sha256(blob.data.tobytes()).hexdigest() for blob in blobs] for name, blobs in net.params.items()
}
print(json.dumps({"params": params, "losses": dict(net.blob_loss_weights), "layers": list(net._layer_names)}))
