"""On how many images a net was tested: test_iter x batch_size, as the solver and the net say, which Caffe's log shows at its start."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.errors import SurgeryError
from split_surgery.workspace.names import SOLVER_FILE
from split_surgery.workspace.open_files import OpenFiles

_SOLVER, _TRAIN_NET, _TEST_NET, _NET = (
    b"Initializing solver from parameters", b"Creating training net", b"Creating test net (#", b"Initializing net from parameters",
)  # fmt: skip
RUNNING = re.compile(rb"Running for (\d{1,9}) iterations\.")
"""What `caffe test` says before its batches."""

_FIELD = re.compile(rb"\s*(test_iter|batch_size): (\d{1,9})\s*$")


@dataclass(slots=True)
class TestedImages:
    """What a log says of it, line by line. `caffe test` says "Running for N iterations" in the place of test_iter.

    The texts are read a line at a time and not as prototxts: glog cuts a message off at 30,000 bytes.

    Attributes:
        listening: whether the lines that follow are the text of a solver or of a test net.
    """

    listening: bool = False
    _net: int | None = 0
    _iterations: list[int] = field(default_factory=list)
    _batches: dict[int, set[int]] = field(default_factory=dict)
    _found: dict[int, list[int]] = field(default_factory=dict)

    def heard(self, said: bytes) -> None:
        """A line of glog's, which ends the text before it."""
        self.listening = False
        if _SOLVER in said:
            self._settle()
            self._net, self.listening = None, True
        elif _TRAIN_NET in said:
            self._net = None
        elif _TEST_NET in said:
            number = said.partition(_TEST_NET)[2].partition(b")")[0]
            self._net = int(number) if number.isdigit() and len(number) < 10 else None
        elif _NET in said:
            self.listening = self._net is not None
        elif running := RUNNING.match(said):
            self._iterations = [int(running[1])]
            self._settle()

    def text_line(self, line: bytes) -> None:
        """A line of such a text."""
        said = _FIELD.match(line)
        if said is None:
            return
        if self._net is not None and said[1] == b"batch_size":
            self._batches.setdefault(self._net, set()).add(int(said[2]))
        elif self._net is None and said[1] == b"test_iter":
            self._iterations.append(int(said[2]))

    def of(self, net: int) -> tuple[int, ...]:
        """The numbers of images that a test net was tested on, that of the last run last; none where it is not said."""
        self._settle()
        return tuple(self._found.get(net, ()))

    def _settle(self) -> None:
        """A run is over: what is known of it."""
        for net, batches in self._batches.items():
            count = _count(self._iterations, net, batches)
            if count is not None:
                found = self._found.setdefault(net, [])
                self._found[net] = [*(other for other in found if other != count), count]
        self._iterations, self._batches, self._net = [], {}, 0


def _count(iterations: list[int], net: int, batches: set[int]) -> int | None:
    """Images of one test; None where data layers differ, so that an image is not one of a batch."""
    if net >= len(iterations) or len(batches) != 1:
        return None
    return (iterations[net] * min(batches)) or None


def images_by_files(folder: Path) -> int | None:
    """What solver.prototxt in the directory of a log says, with the net that it names there; None where that is not the whole story."""
    path = folder / SOLVER_FILE
    if not os.path.isfile(path):
        return None
    try:
        with OpenFiles() as files:
            solver = files.prototxt(path)
            root = solver.document.root
            iterations = [value.integer() or 0 for value in root.scalars("test_iter")]
            names = [value.text for name in ("test_net", "net") for value in root.scalars(name)]
            tested = files.prototxt(folder / Path(names[0]).name) if names else solver
            if len(iterations) != 1 or solver.document.root.messages("test_state"):
                return None
            return _count(iterations, 0, _batch_sizes(tested.nets[-1]))  # inside a solver the tested net stands last
    except SurgeryError:  # the report does not need them
        return None


def standard_error(accuracy: float | None, images: int | None) -> float | None:
    """That of a share of so many images, each recognized or not, with four digits; None for what is no share."""
    if accuracy is None or images is None or not 0 <= accuracy <= 1:
        return None
    return float(f"{math.sqrt(accuracy * (1 - accuracy) / images):.4g}")


def _batch_sizes(net: Net) -> set[int]:
    """The sizes of batches that the layers of the tested net say."""
    layers = net.layers_in(State("TEST"))
    inner = [
        message for layer in layers for part in layer.message.fields for message in layer.message.messages(part.name)
    ]
    sizes = [value.integer() for message in inner for value in message.scalars("batch_size")]
    return {size for size in sizes if size is not None}
