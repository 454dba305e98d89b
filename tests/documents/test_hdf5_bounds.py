"""HDF5 files that take numbers out of other files, or declare far more than they hold, are refused before they are read."""

from __future__ import annotations

import re
import shutil
import struct
import sys

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from split_surgery import diff, residual, show  # noqa: E402
from split_surgery.documents.weights.hdf5 import Hdf5Weights  # noqa: E402
from split_surgery.documents.weights.solverstate import Hdf5Solverstate  # noqa: E402
from split_surgery.errors import FileError  # noqa: E402
from tests.support.hdf5_files import h5_case  # noqa: E402


def external_link(file, folder):
    del file["data/ip"]
    file["data/ip"] = h5py.ExternalLink("other.h5", "/data/ip")


def external_link_beside(file, folder):
    file["remarks"] = h5py.ExternalLink("other.h5", "/")


def external_link_in_diff(file, folder):
    file.create_group("diff/ip")["0"] = h5py.ExternalLink("other.h5", "/data/ip/0")


def soft_link_through_another_file(file, folder):
    del file["data/ip"]
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/")
    file["data/ip"] = h5py.SoftLink("/elsewhere/data/ip")


def external_storage(file, folder):
    (folder / "raw.bin").write_bytes(b"\1" * 6144)
    del file["data/ip/0"]
    file.create_dataset("data/ip/0", (4, 384), "<f4", external=[("raw.bin", 0, 6144)])


def virtual(file, folder):
    layout = h5py.VirtualLayout((4, 384), "<f4")
    layout[:] = h5py.VirtualSource("other.h5", "data/ip/0", (4, 384))
    del file["data/ip/0"]
    file.create_virtual_dataset("data/ip/0", layout)


def four_gigabytes(file, folder):
    del file["data/ip/0"]
    file.create_dataset("data/ip/0", (1 << 30,), "<f4")


def many_of_a_few_megabytes(file, folder):
    for at in range(100):
        file.create_dataset(f"diff/l{at}/0", (1 << 20,), "<f4")


def wide_chunks(file, folder):
    del file["data/ip/1"]
    file.create_dataset("data/ip/1", (4,), "<f4", chunks=(1 << 28,), maxshape=(None,))


def many_chunks(file, folder):
    del file["data/ip/1"]
    file.create_dataset("data/ip/1", (10_000_000,), "<f4", chunks=(1,))


def packed_zeros(file, folder):
    del file["data/ip/0"]
    made = file.create_dataset("data/ip/0", (1 << 30,), "<f4", chunks=(1 << 22,), compression="gzip")
    made[: 1 << 22] = 0


def many_texts(file, folder):
    file.create_dataset("notes", (10_001,), h5py.string_dtype())


def a_ring_of_groups(file, folder):
    file["data/ip/again"] = file["data"]


def groups_in_groups(file, folder):
    file.create_group("/".join("abcdefghijklmnopqrstuvwxyz"))


CASES = {
    external_link: "/data/ip: is a link into another file",
    external_link_beside: "/remarks: is a link into another file",
    external_link_in_diff: "/diff/ip/0: is a link into another file",
    soft_link_through_another_file: "/elsewhere: is a link into another file",
    external_storage: "/data/ip/0: keeps its numbers in another file",
    virtual: "/data/ip/0: keeps its numbers in another file",
    four_gigabytes: "/data/ip/0: declares 4,29",
    many_of_a_few_megabytes: "declares [0-9,]* bytes up to here",
    wide_chunks: "/data/ip/1: declares 1,07",
    many_chunks: "/data/ip/1: declares 10,000,000 chunks",
    packed_zeros: "/data/ip/0: declares 4,29",
    many_texts: "/notes: holds 10,001 texts or lists",
    a_ring_of_groups: "holds the same group in two places",
    groups_in_groups: "groups more than 16 deep",
}


@pytest.fixture
def at_most_a_gigabyte():
    """Of memory more than there is now, on a system that can be told so."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("spoil", CASES, ids=lambda spoil: spoil.__name__)
def test_files_that_are_not_whole(tmp_path, at_most_a_gigabyte, spoil):
    net, weights = h5_case(tmp_path)
    shutil.copy(weights, tmp_path / "other.h5")
    with h5py.File(weights, "r+") as file:
        spoil(file, tmp_path)
    assert weights.stat().st_size < 1 << 20
    calls = (
        lambda: Hdf5Weights(str(weights)),
        lambda: residual(net, weights, tmp_path / "out"),
        lambda: show(weights),
        lambda: diff(weights, weights),
    )
    for call in calls:
        with pytest.raises(FileError, match=CASES[spoil]) as caught:
            call()
        assert str(caught.value).startswith(f"{weights}:")
    assert not (tmp_path / "out").exists()


LISTS = h5py.vlen_dtype(np.float32)
KINDS = {
    "texts": (h5py.string_dtype(), "x" * 500_000),
    "lists": (LISTS, np.ones(125_000, np.float32)),
    "in_records": (np.dtype([("number", "<i4"), ("list", LISTS)]), (1, np.ones(125_000, np.float32))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_text_in_many_places(tmp_path, kind):
    """All elements of a dataset are one and the same in the file: a copy has it as often as there are elements."""
    net, weights = h5_case(tmp_path)
    dtype, value = KINDS[kind]
    with h5py.File(weights, "r+") as file:
        notes = file.create_dataset("notes", (400,), dtype)
        notes[0] = np.array(value, dtype) if kind == "in_records" else value
        start, size = notes.id.get_offset(), notes.id.get_storage_size() // 400
    data = bytearray(weights.read_bytes())
    data[start : start + 400 * size] = data[start : start + size] * 400
    weights.write_bytes(data)
    with pytest.raises(FileError, match="/notes: declares [0-9,]* bytes up to here"):
        residual(net, weights, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("owner", ["/", "/data/ip", "/data/ip/0"])
def test_one_text_in_many_places_of_an_attribute(tmp_path, at_most_a_gigabyte, owner):
    """An attribute is read whole: here 4,000 times four megabytes."""
    net, weights = h5_case(tmp_path)
    with h5py.File(weights, "r+") as file:
        file[owner].attrs["long"] = "x" * 4_000_001
        file[owner].attrs["many"] = [f"c{number:06}" for number in range(4_000)]
    data = weights.read_bytes()
    start = data.index(struct.pack("<I", 4_000_001))
    long = data[start : start + 16]
    short = {data[at.start() : at.start() + 16] for at in re.finditer(re.escape(struct.pack("<I", 7)), data)}
    for reference in short:
        address = int.from_bytes(reference[4:12], "little")
        if data[address : address + 4] == b"GCOL":
            data = data.replace(reference, long)
    weights.write_bytes(data)
    with pytest.raises(
        FileError, match=f":{owner}: declares, with the texts and lists in its attributes, 16,[0-9,]* bytes"
    ):
        residual(net, weights, tmp_path / "out")


def test_lists_of_lists(tmp_path):
    """One of them may hold the whole file as often as it has references."""
    net, weights = h5_case(tmp_path)
    with h5py.File(weights, "r+") as file:
        file["data"].attrs["long"] = "x" * 1_000_000
        file.create_dataset("notes", (2,), h5py.vlen_dtype(h5py.vlen_dtype(np.dtype("f4"))))
    with pytest.raises(FileError, match="/notes: declares [0-9,]* bytes up to here"):
        residual(net, weights, tmp_path / "out")


def test_texts_that_a_file_holds_are_kept(tmp_path):
    net, weights = h5_case(tmp_path)
    pair = np.array([("x", 1)], np.dtype([("name", h5py.string_dtype()), ("number", "<i4", (2,))]))
    with h5py.File(weights, "r+") as file:
        file["notes"] = ["one", "two" * 1000]
        file["data"].attrs["notes"] = [f"text {number}" for number in range(1_000)]
        file["data"].attrs["pair"] = pair
        file["large"] = np.random.default_rng(0).normal(size=300_000)  # so that 1,000 times the file is far too much
        file["axis"] = np.arange(8.0)
        file["axis"].make_scale("axis")
        file["large"].dims[0].attach_scale(file["axis"])
    residual(net, weights, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "net.caffemodel.h5") as file:
        assert file["notes"].asstr()[:].tolist() == ["one", "two" * 1000]
        assert file["data"].attrs["notes"].tolist() == [f"text {number}" for number in range(1_000)]
        assert repr(file["data"].attrs["pair"].tolist()) == "[(b'x', array([1, 1], dtype=int32))]"


@pytest.mark.parametrize("where", ["history", "iter", "learned_net"])
def test_solver_states_too(tmp_path, where):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 5
    path = tmp_path / "x.solverstate.h5"
    with h5py.File(path, "w") as file:
        file["iter"] = 10
        file["learned_net"] = "a"
        file["history/0"] = np.zeros(3, np.float32)
        del file[where]
        file[where] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FileError, match=f"/{where}: is a link into another file"):
        Hdf5Solverstate(str(path))


def test_what_is_whole_is_read_whatever_its_layout(tmp_path):
    net, weights = h5_case(tmp_path)
    with h5py.File(weights, "r+") as file:
        numbers = file["data/conv1_1/0"][()]
        del file["data/conv1_1/0"]
        made = file.create_dataset("hidden", data=numbers, chunks=True, compression="gzip")
        file["data/conv1_1/0"] = made  # a second hard link
        file["data/link"] = h5py.SoftLink("/data/ip")
    found = Hdf5Weights(str(weights))
    ((first, _),) = (record.blobs for record in found.named("conv1_1"))
    assert first.load().tobytes() == numbers.tobytes()
    assert residual(net, weights, tmp_path / "out").status == "written"


@pytest.mark.parametrize("where", ["iter", "learned_net"])
def test_texts_of_variable_length_are_not_read(tmp_path, where):
    """Caffe reads and writes fixed ones (H5LTmake_dataset_string); on a damaged heap of others libhdf5 may never end."""
    path = tmp_path / "x.solverstate.h5"
    with h5py.File(path, "w") as file:
        file["iter"], file["learned_net"], file["history/0"] = 10, np.bytes_(b"a"), np.zeros(3, np.float32)
    assert Hdf5Solverstate(str(path)).learned_net == "a"
    with h5py.File(path, "r+") as file:
        del file[where]
        file[where] = "10"
    with pytest.raises(FileError, match=f"/{where}: is of variable length, which Caffe does not read"):
        Hdf5Solverstate(str(path))
