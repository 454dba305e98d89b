"""Which programs read derived and folded nets, and what numbers they give: python benchmarks/consumers.py [WORK].

Two nets (examples/fashion_vgg and examples/fashion_bn) in all their forms go to pycaffe, OpenCV 4, caffe-onnx with onnxruntime,
OpenVINO's `mo` and Netron, and a V1 net to Caffe's upgrade tools. Each Python package lives in a private environment under WORK
(kept if it is named, so that a second run is quick). What is compared is the largest difference from pycaffe over pycaffe's largest
value, on five inputs in 0 to 1. What cannot be installed or run here is said in the table.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from split_surgery import SurgeryError, extension, fold, residual, skip
from split_surgery.verification.engines.pycaffe import find_interpreter

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"

PYCAFFE = """
import json, sys, numpy, caffe
for task in json.load(open(sys.argv[1])):
    net = caffe.Net(task["net"], task["weights"], caffe.TEST)
    found = []
    for image in numpy.load(task["inputs"]):
        net.blobs["data"].data[...] = image
        found.append(list(net.forward().values())[0].copy())
    numpy.save(task["outputs"], numpy.array(found))
"""

OPENCV = """
import json, sys, cv2, numpy
for task in json.load(open(sys.argv[1])):
    try:
        net = cv2.dnn.readNetFromCaffe(task["net"], task["weights"])
        found = []
        for image in numpy.load(task["inputs"]):
            net.setInput(image)
            found.append(net.forward().copy())
        numpy.save(task["outputs"], numpy.array(found))
    except Exception as error:
        print(task["name"], error, file=sys.stderr)
"""

ONNX = """
import json, os, subprocess, sys, numpy, onnxruntime
for task in json.load(open(sys.argv[1])):
    folder = task["outputs"] + ".onnx"
    os.makedirs(folder)
    tool = os.path.join(os.path.dirname(sys.executable), "caffe2onnx")
    done = subprocess.run([tool, task["net"], task["weights"], "net", folder], capture_output=True, text=True)
    try:
        path = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".onnx")][0]
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        numpy.save(task["outputs"], numpy.array([session.run(None, {name: image})[0] for image in numpy.load(task["inputs"])]))
    except Exception as error:
        print(task["name"], error, done.stderr[-300:], file=sys.stderr)
"""

OPENVINO = """
import json, os, subprocess, sys, numpy, openvino
core = openvino.Core()
for task in json.load(open(sys.argv[1])):
    folder = task["outputs"] + ".ir"
    tool = os.path.join(os.path.dirname(sys.executable), "mo")
    words = [tool, "--input_model", task["weights"], "--input_proto", task["net"], "--output_dir", folder]
    words += ["--compress_to_fp16", "False"]
    done = subprocess.run(words, capture_output=True, text=True)
    try:
        path = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".xml")][0]
        model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        numpy.save(task["outputs"], numpy.array([model(image)[0] for image in numpy.load(task["inputs"])]))
    except Exception as error:
        print(task["name"], error, done.stderr[-300:], file=sys.stderr)
"""


@dataclass(frozen=True)
class Variant:
    """A net in one of its forms."""

    net: str
    form: str
    text: Path
    weights: Path
    inputs: Path


@dataclass(frozen=True)
class Consumer:
    """A program that reads Caffe's files and gives numbers.

    Attributes:
        packages: as pip takes them. python: the version that they need, "" for any. script: what is run in their environment.
    """

    name: str
    packages: tuple[str, ...]
    python: str
    script: str


CONSUMERS = (
    Consumer("OpenCV", ("opencv-python-headless<5", "numpy"), "", OPENCV),
    Consumer("caffe-onnx 0.1.2, onnxruntime", ("caffe-onnx==0.1.2", "onnxruntime"), "3.10", ONNX),
    Consumer("OpenVINO mo 2024.6.0", ("openvino-dev[caffe]==2024.6.0",), "3.10", OPENVINO),
)


def variants(folder: Path) -> list[Variant]:
    """Both nets as they were trained, split three ways, folded, and folded with --all."""
    vgg, bn = EXAMPLES / "fashion_vgg", EXAMPLES / "fashion_bn"
    draw = np.random.RandomState(0)
    inputs = folder / "inputs.npy"
    np.save(inputs, draw.uniform(size=(5, 1, 1, 28, 28)).astype(np.float32))
    found = []
    for name, net, weights in (
        ("fashion_vgg", vgg / "deploy.prototxt", vgg / "fashion_vgg.caffemodel"),
        ("fashion_bn", bn / "deploy.prototxt", bn / "fashion_bn.caffemodel"),
    ):
        place = folder / name
        residual(net, weights, place / "residual")
        extension(net, weights, place / "extension", noise=0)
        skip(net, weights, place / "skip")
        fold(place / "residual", None, place / "folded")
        fold(place / "residual", None, place / "fold --all", all=True)
        found.append(Variant(name, "baseline", net, weights, inputs))
        for made in ("residual", "extension", "skip", "folded", "fold --all"):
            found.append(Variant(name, made, place / made / "net.prototxt", place / made / "net.caffemodel", inputs))
    return found


def environment(folder: Path, consumer: Consumer) -> Path | str:
    """The Python of a private environment with a consumer's packages, or why there is none."""
    python = find_python(consumer.python)
    if python is None:
        return f"NOT TRIED: no Python {consumer.python} on this machine"
    place = folder / consumer.name.split(",")[0].replace(" ", "-")
    own = place / "bin" / "python"
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([python, "-m", "venv", place], check=True)
        words = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check", *consumer.packages]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"NOT TRIED: cannot be installed ({(done.stderr.strip().splitlines() or ['pip failed'])[-1][:100]})"
        (place / "done").touch()
    return own


def find_python(version: str) -> str | None:
    """A Python of a version: from the PATH, or one that pyenv has installed."""
    if not version:
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (f"python{version}", *sorted(map(str, root.glob(f"{version}.*/bin/python")))):
        words = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.stdout.strip() == version:
            return candidate
    return None


def run(python: str | Path, script: str, nets: list[Variant], folder: Path) -> dict[Variant, Path]:
    """Where the outputs of each net are that the script could run."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        {"name": f"{one.net} {one.form}", "net": str(one.text), "weights": str(one.weights), "inputs": str(one.inputs),
         "outputs": str(folder / f"{number}.npy")}
        for number, one in enumerate(nets)
    ]  # fmt: skip
    (folder / "tasks.json").write_text(json.dumps(tasks))
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [python, folder / "script.py", folder / "tasks.json"], capture_output=True, text=True, check=False,
        env=os.environ | {"GLOG_minloglevel": "2"},
    )  # fmt: skip
    (folder / "stderr.txt").write_text(done.stderr)
    places = {one: folder / f"{number}.npy" for number, one in enumerate(nets)}
    return {one: place for one, place in places.items() if place.exists()}


def cell(nets: list[Variant], truth: dict[Variant, Path], found: dict[Variant, Path]) -> str:
    """What a table says of one net in all its forms: the largest difference, and which forms were not read."""
    differences = []
    for one in nets:
        if one in found:
            was, now = np.load(truth[one]).astype(float), np.load(found[one]).astype(float)
            differences.append(np.abs(now.reshape(-1) - was.reshape(-1)).max() / np.abs(was).max())
    missing = [one.form for one in nets if one not in found]
    if not differences:
        return "not read"
    return f"{max(differences):.0e}" + (f"; not read: {', '.join(missing)}" if missing else "")


def netron(folder: Path, nets: list[Variant]) -> str:
    """How many files Netron's own code opens."""
    node = shutil.which("node")
    if node is None:
        return "NOT TRIED: no node on this machine"
    own = environment(folder, Consumer("netron", ("netron",), "", ""))
    if isinstance(own, str):
        return own
    package = next(own.parent.parent.glob("lib/python*/site-packages/netron"))
    copy = folder / "netron-package"
    if not copy.exists():
        shutil.copytree(package, copy)
        (copy / "package.json").write_text('{"type": "module"}')  # its files are modules
    files = [str(path) for one in nets for path in (one.text, one.weights)]
    words = [node, HERE / "netron_read.mjs", copy, *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    read = [row for row in rows if len(row) == 3 and row[1] > 0]
    return f"{len(read)} of {len(files)} files read"


def upgraded(folder: Path, interpreter: Path) -> str:
    """A split V1 net through Caffe's own upgrade tools, and whether it still gives the same numbers."""
    place = folder / "v1"
    place.mkdir()
    text = (
        'name: "v1"\ninput: "data"\ninput_dim: 1\ninput_dim: 1\ninput_dim: 28\ninput_dim: 28\n'
        'layers {\n  name: "conv1_1"\n  type: CONVOLUTION\n  bottom: "data"\n  top: "conv1_1"\n'
        "  convolution_param { num_output: 32 kernel_size: 3 pad: 1 }\n}\n"
    )
    (place / "v1.prototxt").write_text(text)
    weights = EXAMPLES / "fashion_vgg" / "fashion_vgg.caffemodel"
    residual(place / "v1.prototxt", weights, place / "split")
    for kind, name in (("text", "net.prototxt"), ("binary", "net.caffemodel")):
        tool = interpreter.parent / f"upgrade_net_proto_{kind}"
        if not tool.exists():
            return f"NOT TRIED: no {tool.name} beside caffe"
        done = subprocess.run([tool, place / "split" / name, place / name], capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{tool.name} failed: {done.stderr.strip().splitlines()[-1][:100]}"
    inputs = folder / "inputs.npy"
    pair = [
        Variant("v1", where.name, where / "net.prototxt", where / "net.caffemodel", inputs)
        for where in (place / "split", place)
    ]
    found = run(interpreter, PYCAFFE, pair, place / "pycaffe")
    if len(found) < 2:
        return "Caffe does not read what they made"
    same = np.array_equal(*(np.load(path) for path in found.values()))
    return f"a split V1 net in the new form gives {'the same numbers, bit for bit' if same else 'OTHER numbers'}"


def measure(folder: Path) -> list[str]:
    """The lines of the table."""
    scratch = Path(tempfile.mkdtemp(dir=folder))
    nets = variants(scratch)
    by_net = {name: [one for one in nets if one.net == name] for name in ("fashion_vgg", "fashion_bn")}
    lines = ["| program | " + " | ".join(by_net) + " |", "| --- |" + " --- |" * len(by_net)]
    try:
        interpreter = find_interpreter()
    except SurgeryError as error:
        return [f"there is nothing to compare with: {error}"]
    truth = run(interpreter, PYCAFFE, nets, scratch / "pycaffe")
    lines.append(
        "| pycaffe | "
        + " | ".join(f"read: {sum(one in truth for one in own)} of {len(own)}" for own in by_net.values())
        + " |"
    )
    tries: list[tuple[str, Callable[[], list[str]]]] = []
    for consumer in CONSUMERS:

        def numbers(consumer: Consumer = consumer) -> list[str]:
            python = environment(folder, consumer)
            if isinstance(python, str):
                return [python] * len(by_net)
            found = run(python, consumer.script, nets, scratch / consumer.name.split()[0])
            return [cell(own, truth, found) for own in by_net.values()]

        tries.append((consumer.name, numbers))
    tries.append(("Netron", lambda: [netron(folder, own) for own in by_net.values()]))
    for name, attempt in tries:
        lines.append(f"| {name} | " + " | ".join(attempt()) + " |")
    lines.append(f"\nCaffe's upgrade tools: {upgraded(scratch, Path(interpreter))}")
    shutil.rmtree(scratch)
    return lines


def main() -> None:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1]).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        print("\n".join(measure(folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(measure(Path(name))))


if __name__ == "__main__":
    main()
