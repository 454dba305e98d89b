"""Nets run by an engine in a process of its own: what it dies of takes nothing with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from split_surgery.errors import FileError, FilePlace
from split_surgery.verification.engines.prepare import Runnable


class Failed(NamedTuple):
    """How a process ended that did not run all nets: its exit code, what it said, and the weights of the net that it was at."""

    code: int
    said: str
    weights: Path


def run_child(
    command: Sequence[str], nets: Sequence[tuple[Runnable, Path]], inputs: Mapping[str, npt.NDArray[np.float32]],
    asked: Sequence[Sequence[object]], environment: Mapping[str, str] | None = None,
) -> list[list[npt.NDArray[np.float32]]] | Failed:  # fmt: skip
    """Of each net what was asked for, in its order; all in one process, since an engine takes a second to load.

    Args:
        command: an interpreter and a script, which takes the paths INPUTS.npz BLOBS.json, and NET WEIGHTS OUTPUTS.npz of each net.
        nets: each with its weights. asked: of each net in turn.

    Raises:
        FileError: the interpreter cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="split-surgery-") as folder:
        given, names = Path(folder, "in.npz"), Path(folder, "blobs.json")
        np.savez(given, **inputs)  # type: ignore[arg-type]
        names.write_text(json.dumps([list(one) for one in asked]))  # a name may hold what no argument of a command can
        files = [str(given), str(names)]
        outputs = []
        for index, (net, weights) in enumerate(nets):
            text = Path(folder, f"net{index}.prototxt")
            text.write_bytes(net.text)
            outputs.append(Path(folder, f"out{index}.npz"))
            files += [str(text), os.path.abspath(weights), str(outputs[-1])]
        try:
            done = subprocess.run([*command, *files], capture_output=True, check=False, env=environment)
        except OSError as error:
            raise FileError(f"cannot be run: {error.strerror}", FilePlace(command[0])) from error
        if done.returncode:
            said = re.sub(
                re.escape(folder) + r"[/\\]net\d+\.prototxt", "the net", done.stderr.decode("utf-8", "replace")
            )
            at = min(sum(path.exists() for path in outputs), len(nets) - 1)
            return Failed(done.returncode, said.strip(), nets[at][1])
        return [_read(path, len(one)) for path, one in zip(outputs, asked)]


def _read(path: Path, count: int) -> list[npt.NDArray[np.float32]]:
    with np.load(path) as found:
        return [found[f"blob_{index}"] for index in range(count)]


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
