"""The blocks of the documentation that no test runs, by their first line, each with the reason."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

NOT_RUN = {
    "sbatch train.sbatch": "needs a cluster with Slurm",
    "next=$(sbatch --parsable train.sbatch)": "needs a cluster with Slurm",
    "mo --input_model folded/net.caffemodel --input_proto folded/deploy.prototxt --compress_to_fp16 False --output_dir openvino": (
        "OpenVINO's converter needs an environment of its own: benchmarks/consumers.py runs it"
    ),
    "caffe2onnx folded/deploy.prototxt folded/net.caffemodel net onnx/": (
        "caffe-onnx needs an environment of its own: benchmarks/consumers.py runs it"
    ),
    "make demo": "sets up an environment: CI runs the demo of the built package, and tests/verbs/test_demo.py the verb",
    "make test": "is what runs this",
    "split-surgery report . --input-shape data:64,1,28,28 -o report.html": "tests/conftest.py makes this page for its tests",
    "pip install .": "installs the package: CI does, into an environment of its own",
}

_DRAWN = re.findall(r"^split-surgery plot .*$", (ROOT / "docs" / "pictures.md").read_text(), re.MULTILINE)
NOT_RUN |= dict.fromkeys(_DRAWN, "docs/draw.py runs it, and tests/laws/test_docs.py compares what it draws")

SHOWN_TO_FAIL = {
    "forks.md": ("Files of a fork",),
    "rename.md": ("Rename layers and blobs",),
    "troubleshooting.md": (
        "Splitting",
        "fast/slow by weight norm, NOT TPM",
        "The output directory",
        "Files that are not what they seem",
        "verify",
        "apply and CI",
        "Logs and pictures",
    ),
}
"""By page the sections whose console blocks show errors of ours on purpose; anywhere else such an error fails the test."""
