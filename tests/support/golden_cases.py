"""Golden derived nets, reviewed as diffs: `make golden` writes them anew, and a test fails where that changes anything."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from split_surgery import extension, fold, residual
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.linear_nets import EVERYTHING, model_of, write_net
from tests.support.nets import random_weights, read_weights
from tests.support.paths import FIXTURES, GOLDEN, PROGRAM

CASES = {
    "residual_plain": (residual, "plain", {}),
    "extension_plain": (extension, "plain", {}),
    "extension_without_noise": (extension, "plain", {"noise": 0}),
    "residual_comments_everywhere": (residual, "comments_everywhere", {"fast": "25%"}),
    "residual_random_control": (residual, "plain", {"order": "random", "seed": 7}),
    "extension_crlf_no_final_newline": (extension, "crlf_no_final_newline_convolution_last", {}),
    "residual_train_and_test_twins": (residual, "same_name_train_and_test", {}),
    "residual_net_in_solver": (residual, "net_in_solver", {}),
    "extension_fork_fields": (extension, "unknown_fork_fields", {}),
    "residual_parameter_names": (residual, "parameter_names", {}),
    "residual_lists": (residual, "lists", {}),
    "residual_kernel_h_and_kernel_w": (residual, "kernel_h_and_kernel_w", {"surround": 0.5, "center": -1.0}),
    "extension_no_bias_tabs": (extension, "no_bias", {"fast": "5"}),
    "residual_v1": (residual, "v1_layers", {}),
    "extension_v1_parameter_names": (extension, "v1_parameter_names", {}),
    "residual_shared_parameters": (residual, "shared_parameters", {}),
    "extension_layers_in_a_list": (extension, "layers_in_a_list", {}),
    "residual_train_and_test_net_in_solver": (residual, "train_and_test_net_in_solver", {}),
    "residual_grouped": (residual, "grouped", {}),
    "residual_even_kernel": (residual, "even_kernel", {"even_center": "both"}),
}
"""Case -> (verb, fixture, options). A new case is a line here."""


def generate(case: str, folder: Path) -> None:
    """Write one case's derived files into `folder`: the texts, and a listing of the records."""
    verb, fixture, options = CASES[case]
    net = FIXTURES / f"{fixture}.prototxt"
    parsed = Net(Document(net.read_bytes(), net.name))
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch, "base.caffemodel")
        model.write_bytes(random_weights(parsed, v1="v1" in fixture))
        out = Path(scratch, "out")
        verb(net, model, out, as_path="derived1", **options)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(out.iterdir()):
            if path.suffix != ".caffemodel":
                shutil.copy(path, folder / path.name)
        (folder / "records.txt").write_text(listing((out / "net.caffemodel").read_bytes()))
        back = Path(scratch, "back")
        given = out / ("solver.prototxt" if parsed.inside_solver else "net.prototxt")
        report = fold(given, out / "net.caffemodel", back, as_path="folded1")
        folded = (back / "net.prototxt").read_bytes()
        if folded != net.read_bytes():  # a net that was inside a solver, and groups that noise has mixed
            (folder / "folded.prototxt").write_bytes(folded)
        reasons = "".join(f"left: {left.layer}: {left.reason}\n" for left in report.left)
        (folder / "folded.txt").write_text(listing((back / "net.caffemodel").read_bytes()) + reasons)


def generate_fold_all(folder: Path) -> None:
    """Every linear region of one net, folded: the text before and after, the records, and what is printed."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        base = write_net(Path(scratch), EVERYTHING, model_of(EVERYTHING))
        command = [PROGRAM, "fold", base[0].name, base[1].name, "--all", "-v", "-o", "folded"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=True)
        (folder / "before.prototxt").write_text(EVERYTHING)
        (folder / "net.prototxt").write_bytes(Path(scratch, "folded", "net.prototxt").read_bytes())
        (folder / "folded.txt").write_text(listing(Path(scratch, "folded", "net.caffemodel").read_bytes()))
        (folder / "stdout.txt").write_text(done.stdout)


def listing(data: bytes) -> str:
    """The records as protobuf reads them, a line each, and a digest and the first numbers of each blob."""
    lines = []
    for name, (record, arrays) in read_weights(data).items():
        kind = record.type if isinstance(record.type, str) else f"V1 type {record.type}"
        lines.append(f"{name}  {kind}  {', '.join(record.bottom)} -> {', '.join(record.top)}")
        for array in arrays:
            digest = hashlib.sha256(array.astype("<f4").tobytes()).hexdigest()[:16]
            numbers = " ".join(f"{value:.6g}" for value in array.ravel()[:4])
            lines.append(f"    {'x'.join(map(str, array.shape))}  {digest}  {numbers} ...")
    return "\n".join(lines) + "\n"


def main() -> None:
    for case in CASES:
        shutil.rmtree(GOLDEN / case, ignore_errors=True)
        generate(case, GOLDEN / case)
    generate_fold_all(GOLDEN / "fold_all")
    print(f"{len(CASES)} golden cases written; review them with git diff tests/golden")


if __name__ == "__main__":
    sys.exit(main())
