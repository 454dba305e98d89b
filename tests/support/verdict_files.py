"""Further pairs for verdicts beside real Caffe's: HDF5 files, whole and damaged; V1 nets and records; files saved or printed again."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable

import h5py
import numpy as np

from split_surgery import diff, residual
from tests.support.verdict_nets import NETS, SPLIT_NETS
from tests.support.verdict_pairs import Files, Table, passes, with_blobs


def _cast(dtype: str) -> Callable[[h5py.Group, str], None]:
    def act(group: h5py.Group, at: str) -> None:
        _replace(group, at, np.asarray(group[at], dtype))

    return act


def _replace(group: h5py.Group, at: str, array: np.ndarray, **how: object) -> None:
    del group[at]
    group.create_dataset(at, data=array, **how)


HDF5_DAMAGES: dict[str, Callable[[h5py.Group, str], object]] = {
    "a dataset lost": lambda group, at: group.__delitem__(at),
    "a dataset too many": lambda group, at: group.create_dataset("7", data=np.zeros(3, "f4")),
    "a dataset that is no number's": lambda group, at: group.create_dataset("more", data=np.zeros(3, "f4")),
    "the axes turned": lambda group, at: _replace(group, at, np.asarray(group[at]).T),
    "an axis more": lambda group, at: _replace(group, at, np.asarray(group[at])[None]),
    "flat": lambda group, at: _replace(group, at, np.asarray(group[at]).reshape(-1)),
    "a number too few": lambda group, at: _replace(group, at, np.asarray(group[at]).reshape(-1)[1:]),
    "doubles": _cast("f8"),
    "big-endian": _cast(">f4"),
    "halves": _cast("f2"),
    "whole numbers": _cast("i4"),
    "compressed": lambda group, at: _replace(group, at, np.asarray(group[at]), compression="gzip"),
    "a group lost": lambda group, at: group.parent.__delitem__(group.name),
    "a group renamed": lambda group, at: group.parent.move(group.name, group.name + "_"),
    "a group too many": lambda group, at: group.parent.create_group("more").create_dataset("0", data=np.zeros(3, "f4")),
    "the data renamed": lambda group, at: group.file.move("data", "date"),
}


def hdf5(table: Table) -> None:
    """Weights as HDF5: as Caffe saves them, and damaged."""
    files = {}
    for name, text in {**NETS, "siamese": SPLIT_NETS["siamese"]}.items():
        net, _ = table.base(f"h5_{name}", text)
        files[name] = net, net.with_suffix(".caffemodel.h5")
        table.task("fill", net=net, model=files[name][1], seed=0)
    table.done()
    turn = itertools.count()
    for name, (net, model) in files.items():
        table.fits("HDF5", f"{name} as it is", net, model)
        with h5py.File(model) as file:
            places = [(layer, at) for layer, group in file["data"].items() for at in group]
        for count in itertools.islice(turn, 6):
            what, (layer, at) = [*HDF5_DAMAGES][count % len(HDF5_DAMAGES)], places[count // 3 % len(places)]
            other = model.with_name(f"{name}_{count}.caffemodel.h5")
            shutil.copy(model, other)
            with h5py.File(other, "r+") as file:
                HDF5_DAMAGES[what](file["data"][layer], at)
            table.fits("HDF5", f"{name}: {what}, {layer} {at}", net, other)
    cut = table.path("cut.caffemodel.h5")
    cut.write_bytes(files["plain"][1].read_bytes()[:-100])
    table.fits("HDF5", "cut", files["plain"][0], cut)


def v1(table: Table) -> None:
    """Nets and records in V1, upgraded by Caffe's own tools, and split."""
    tools = [table.caffe[0].with_name(f"upgrade_net_proto_{form}") for form in ("text", "binary")]
    base = table.base("V1_base", SPLIT_NETS["V1"])
    old_nets = {name: table.base(f"V1_{name}", NETS[name]) for name in ("plain", "branches", "reshaped", "old")}
    old = {
        name: files[1].with_name(f"{files[1].stem}_v1.caffemodel") for name, files in {"base": base, **old_nets}.items()
    }
    for name, files in {"base": base, **old_nets}.items():
        table.task("as V1", model=files[1], to=old[name])
    table.done()
    for name, files in {"base": base, **old_nets}.items():
        given = files[0], old[name]
        table.fits("V1 records", f"{name} as V1", *given)
        table.again("V1 records", f"{name} beside the new ones", files, given, lambda: True)
        table.damaged("V1 records", None, given, with_blobs(old[name]), 7)
    given = base[0], old["base"]
    table.retexted("V1 text", given, 12)
    _upgraded(table, tools, "base", given)
    residual(*given, table.path("V1_out"))
    files = table.path("V1_out") / "net.prototxt", table.path("V1_out") / "net.caffemodel"
    table.add("V1 split", "as written", files, lambda: passes(*given, table.path("V1_out")))
    _upgraded(table, tools, "split", files)
    table.damaged("V1 split", given, files, with_blobs(files[1]), 7)


def _upgraded(table: Table, tools, name: str, files: Files) -> None:
    """Text and weights by Caffe's own tools, each alone and both."""
    new = table.path(f"upgraded_{name}.prototxt"), table.path(f"upgraded_{name}.caffemodel")
    for tool, old, to in zip(tools, files, new):
        if not tool.exists():
            return
        subprocess.run([tool, old, to], check=True, capture_output=True)
    table.again("V1 upgraded", f"{name}: weights", files, (files[0], new[1]), lambda: diff(files[1], new[1]).equal)
    # (That an Input layer stands for `input:`, and `param` for `blobs_lr`, is for diff and verify another text.)
    table.fits("V1 upgraded", f"{name}: text", new[0], files[1])
    table.fits("V1 upgraded", f"{name}: both", *new)
    table.retexted("V1 upgraded", new, 6)


def written_again(table: Table) -> None:
    """Saved by pycaffe, as protobuf and as HDF5, and printed by protobuf."""
    for name, text in {**NETS, "batch statistics": SPLIT_NETS["normalised"]}.items():
        net, model = table.base(f"again_{name.replace(' ', '_')}", text)
        saved, as_hdf5, printed = (
            net.with_name(f"{net.stem}_{word}") for word in ("s.caffemodel", "s.caffemodel.h5", "p.prototxt")
        )
        table.task("save", net=net, model=model, to=saved)
        table.task("save", net=net, model=model, to=as_hdf5)
        table.task("print", net=net, to=printed)
        for what, files in (("saved", (net, saved)), ("saved as HDF5", (net, as_hdf5)), ("printed", (printed, model))):
            changed = [(a, b) for a, b in zip((net, model), files) if a != b]
            ours = lambda pairs=changed: all(diff(a, b).equal for a, b in pairs)  # noqa: E731
            table.again("written again", f"{name} {what}", (net, model), files, ours)
