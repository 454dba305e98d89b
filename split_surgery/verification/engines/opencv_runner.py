"""Run nets in OpenCV: opencv_runner.py INPUTS.npz BLOBS.json, and NET WEIGHTS OUTPUTS.npz of each

A script, so that a crash of OpenCV ends a process of its own. BLOBS.json holds, for each net, pairs: the layer that makes a blob, and
the blob. It imports nothing of split_surgery.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this folder: nothing in it may be taken for a module that OpenCV wants


def main(inputs_path: str, blobs_path: str, *nets: str) -> int:
    import cv2
    import numpy as np

    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        print(f"OpenCV {cv2.__version__} has no Caffe importer (version 5 dropped it)", file=sys.stderr)
        return 7
    with np.load(inputs_path) as given:
        inputs = {name: given[name] for name in given.files}
    for index, asked in enumerate(json.loads(Path(blobs_path).read_text())):
        net_path, weights_path, outputs_path = nets[3 * index : 3 * index + 3]
        try:
            found = run_one(cv2, np, net_path, weights_path, inputs, asked)
        except cv2.error as error:
            print(str(error).strip(), file=sys.stderr)
            return 8
        arrays = {f"blob_{at}": np.asarray(array, np.float32) for at, array in enumerate(found)}
        np.savez(outputs_path, **arrays)  # type: ignore[arg-type]
    return 0


def run_one(cv2: Any, np: Any, net_path: str, weights_path: str, inputs: dict[str, Any], asked: list[list[str]]) -> Any:
    """The blobs that are asked for. When it returns, nothing is left of the net, and there is room for the next."""
    text, model = (np.frombuffer(Path(path).read_bytes(), np.uint8) for path in (net_path, weights_path))
    net = cv2.dnn.readNetFromCaffe(text, model)
    net.enableFusion(False)  # fused layers' own blobs cannot be asked for
    for name, array in inputs.items():
        net.setInput(array, name)
    # OpenCV names a layer by its top, an in-place one (the last to make its top) by its own name.
    names = set(net.getLayerNames())
    return [array.copy() for array in net.forward([maker if maker in names else top for maker, top in asked])]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
