"""`--input` with files that lie, are damaged or decode to far more than they are: one line, and no memory."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

from split_surgery import extension, verify
from split_surgery.errors import FileError, SurgeryError, UsageError
from split_surgery.verification.engines.input_file import PACKED_LIMIT, read_inputs
from tests.support.nets import net_of, write_tiny
from tests.support.paths import PROGRAM
from tests.support.run_command import run_program

cv2 = pytest.importorskip("cv2")

SHAPES = {"data": (1, 3, 8, 8)}
FORMATS = [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".gif", ".ras"]


def read(folder, data: bytes, shapes=SHAPES):
    net, _ = write_tiny(folder)
    (folder / "input").write_bytes(data)
    return read_inputs(folder / "input", net_of(net), shapes)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def zipped(members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def saved(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_archive_is_read_as_numpy_writes_it(tmp_path):
    array = np.random.RandomState(0).rand(2, 3, 8, 8)
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, data=array)
        assert np.array_equal(read(tmp_path, file.getvalue())["data"], array.astype(np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped({"data.npy": b"\x93NUMPY\x01\x00\x14\x00{'descr': '<f4', ((("}), "input: data: cannot be read as npy"),
        (zipped({"data.npy": saved(np.ones((1, 3, 8, 8), "<f4"))[:-4]}), "input: data: declares 768 bytes"),
        (zipped({"data.npy": b"text"}), "input: data: cannot be read as npy"),
        (zipped({"data.npy": saved(np.ones(4))})[:-30], "cannot be read as npz"),
        (b"PK\x03\x04" + b"\xff" * 100, "cannot be read as npz"),
    ],
)
def test_damaged_archives(tmp_path, data, message):
    with pytest.raises(FileError, match=message):
        read(tmp_path, data)


def test_an_archive_with_a_changed_byte_somewhere(tmp_path):
    whole, draw = zipped({"data.npy": saved(np.ones((1, 3, 8, 8), "<f4"))}), random.Random(1)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            read(tmp_path, bytes(data))
        except SurgeryError as error:
            assert error.exit_code in (2, 3)


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    packed = zipped({"data.npy": b"\0" * (1 << 20)})
    name = packed.index(b"PK\x01\x02")  # the directory says how much there is
    data = packed[: name + 24] + struct.pack("<I", 4_000_000_000) + packed[name + 28 :]
    with pytest.raises(FileError, match="input: data: unpacks from [0-9,]+ bytes to 4,000,000,000"):
        read(tmp_path, data)
    assert PACKED_LIMIT < 4_000_000_000


def test_only_what_the_net_reads_is_unpacked(tmp_path):
    data = zipped({"data.npy": saved(np.ones((1, 3, 8, 8), "<f4")), "other.npy": b"not even read"})
    with pytest.raises(UsageError, match="holds data, other, and the net reads data"):
        read(tmp_path, data)


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_pictures(tmp_path, capfd, form):
    """Bytes changed, most of them in the header, which says the size."""
    pixels = np.random.RandomState(0).randint(0, 255, (12, 10, 3), np.uint8)
    if not cv2.haveImageWriter(f"x{form}"):
        pytest.skip(f"this OpenCV ({cv2.__version__}) does not write {form}")
    known, encoded = cv2.imencode(form, pixels)
    assert known
    whole, draw = encoded.tobytes(), random.Random(form)
    assert read(tmp_path, whole)["data"].shape == (1, 3, 8, 8)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            near = min(len(data), 60) if draw.random() < 0.7 else len(data)
            data[draw.randrange(near)] = draw.choice([0, 127, 128, 255, draw.randrange(256)])
        try:
            read(tmp_path, bytes(data))
        except SurgeryError as error:
            assert error.exit_code in (2, 3)
    assert capfd.readouterr().err == "", "the libraries below OpenCV say nothing either"


@pytest.mark.parametrize(
    "data",
    [
        b"P6 1000000 1000000 255\n",
        png(1_000_000, 1_000_000),
        b"BM" + struct.pack("<IIIIiiHHII", 100, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0) + b"\0" * 60,
        b"P6 -1 5 255\n",
        b"",
        b"text",
    ],
)
def test_pictures_that_opencv_refuses(tmp_path, data):
    with pytest.raises(FileError, match="input: (is neither an image|cannot be read as an image)"):
        read(tmp_path, data)


@pytest.mark.parametrize("length", [1 << 10, (1 << 31) - 1, (1 << 32) - 1])
def test_a_chunk_that_goes_beyond_the_file(tmp_path, length):
    data = png(8, 8, (b"\0" * 9) * 8)
    at = data.index(b"IDAT") - 4
    with pytest.raises(FileError, match="its last chunk ends [0-9,]+ bytes after the file"):
        read(tmp_path, data[:at] + struct.pack(">I", length) + data[at + 4 :], {"data": (1, 1, 8, 8)})
    assert read(tmp_path, data + b"behind its end", {"data": (1, 1, 8, 8)})["data"].shape == (1, 1, 8, 8)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_small_picture_of_many_pixels_takes_no_memory(tmp_path):
    """In a process of its own: OpenCV takes its limit when it is loaded."""
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    (tmp_path / "big.png").write_bytes(png(30_000, 30_000))
    words = [PROGRAM, "verify", net, weights, tmp_path / "out", "--engine", "opencv", "--input", tmp_path / "big.png"]
    limited = ["bash", "-c", 'ulimit -v 4000000; exec "$@"', "-", *map(str, words)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[0].endswith("cannot be read as an image: it declares more pixels than are read")
    assert "Traceback" not in done.stderr


def test_what_is_too_large_for_a_float_is_refused_without_a_warning(tmp_path):
    with pytest.raises(FileError, match="NaN or infinity"):
        read(tmp_path, saved(np.full((1, 3, 8, 8), 1e300)))


def test_verify_still_runs_what_is_whole(tmp_path):
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    (tmp_path / "x.png").write_bytes(cv2.imencode(".png", np.full((9, 9, 3), 7, np.uint8))[1].tobytes())
    assert verify(net, weights, tmp_path / "out", engine="opencv", input=tmp_path / "x.png").problems == ()


def test_what_opencv_says_of_a_file_is_part_of_our_message(tmp_path):
    net, weights = write_tiny(tmp_path)
    net.write_text(net.read_text().replace("pad: 1", 'pad: "\x1b[31m"', 1))
    (tmp_path / "derived.prototxt").write_bytes(net.read_bytes())
    words = ["--derived", tmp_path / "derived.prototxt", weights, "--engine", "opencv"]
    done = run_program("verify", net, weights, *words)
    assert done.returncode in (2, 3)
    assert "\x1b" not in done.stderr + done.stdout
    assert all(line.startswith(("split-surgery: ", "  ")) for line in done.stderr.splitlines())
