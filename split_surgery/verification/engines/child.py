"""An engine run in a process of its own: what it dies of takes nothing with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from split_surgery.errors import FileError, FilePlace
from split_surgery.verification.engines.prepare import Runnable


def run_child(
    command: Sequence[str], net: Runnable, weights: Path, inputs: Mapping[str, np.typing.NDArray[np.float32]],
    asked: Sequence[object], environment: Mapping[str, str] | None = None,
) -> list[np.typing.NDArray[np.float32]] | subprocess.CompletedProcess[bytes]:  # fmt: skip
    """What was asked for, in its order, or how the process ended instead.

    Args:
        command: an interpreter and a script, which takes the paths NET WEIGHTS INPUTS.npz OUTPUTS.npz BLOBS.json.

    Raises:
        FileError: the interpreter cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="split-surgery-") as folder:
        text, given, out, names = (Path(folder, name) for name in ("net.prototxt", "in.npz", "out.npz", "blobs.json"))
        text.write_bytes(net.text)
        np.savez(given, **inputs)  # type: ignore[arg-type]
        names.write_text(json.dumps(list(asked)))  # a name may hold what no argument of a command can
        files = [str(text), os.path.abspath(weights), str(given), str(out), str(names)]
        try:
            done = subprocess.run([*command, *files], capture_output=True, check=False, env=environment)
        except OSError as error:
            raise FileError(f"cannot be run: {error.strerror}", FilePlace(command[0])) from error
        if done.returncode:
            done.stderr = done.stderr.replace(str(text).encode(), b"the net")
            return done
        with np.load(out) as found:
            return [found[f"blob_{index}"] for index in range(len(asked))]


UNKNOWN_LAYER = (
    "perhaps it does not know a layer of the net: verify without --engine holds the files themselves against each other"
)


def hint_on(words: str) -> str:
    """What to do about an engine's complaint, where it is about shapes, or about a layer of some fork."""
    if re.search(r"Can't create layer|Unknown layer type|has no field named|UnknownField", words):
        return UNKNOWN_LAYER
    about_shapes = re.search(r"shape|size|dim|Cannot copy|blob", words, re.IGNORECASE)
    return "if it is about a shape: check --input-shape" if about_shapes else ""


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"
