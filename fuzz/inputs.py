"""Files for `--input`: npy, npz and images, for a net of one channel and for one of three."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from random import Random

import cv2
import numpy as np

from fuzz.edits import edited
from fuzz.law import lawful, written
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.verification.engines.input_file import PNG, ZIP, read_inputs
from tests.support.nets import TINY

_NET = Net(Document(TINY.encode(), "net.prototxt"))
_SHAPES = ((1, 3, 4, 4), (1, 1, 4, 4))


def _seeds() -> list[bytes]:
    found = []
    for save in (np.save, np.savez, np.savez_compressed):
        for array in (np.ones((1, 3, 4, 4), np.float32), np.asfortranarray(np.ones((1, 1, 4, 4), np.uint8))):
            file = io.BytesIO()
            save(file, **({"arr": array} if save is np.save else {"data": array}))  # type: ignore[operator]
            found.append(file.getvalue())
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    return found + [
        cv2.imencode(suffix, picture)[1].tobytes() for suffix in (".png", ".jpg", ".bmp", ".ppm", ".webp", ".tiff")
    ]


SEEDS = _seeds()
_PIECE = re.compile(rb"'[^']*'|\w+|.", re.DOTALL)
_OTHERS = [
    b"'|O'", b"'<f2'", b"'>f8'", b"'<c16'", b"'<U9'", b"'<M8[s]'", b"[('a', '<f4')]", b"(1, 1, 4, 4)", b"(-1,)", b"(1 << 60,)",
    b"True", b"False",
    b"(9999999999, 9999999999)", b"()", b"'descr'", b"'shape'", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
    b"\0\0\x80\x7f", b"\0\0\xc0\x7f",
]  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    """The file changed; inside an archive the array, and in a PNG with checksums that are right again."""
    if data.startswith(ZIP):
        try:
            return _archive(data, random)
        except Exception:  # it was changed beyond that already
            return edited(_PIECE.findall(data), _OTHERS, random)
    changed = edited(_PIECE.findall(data), _OTHERS, random)
    return _checked(changed) if changed.startswith(PNG) else changed


def _archive(data: bytes, random: Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            name = (
                info.filename
                if random.random() < 0.9
                else random.choice(("label.npy", "", "data", "../data.npy", "data.npy"))
            )
            kind = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            new.writestr(name, edited(_PIECE.findall(old.read(info)), _OTHERS, random), kind)
    return file.getvalue()


def _checked(data: bytes) -> bytes:
    found, at = bytearray(PNG), len(PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        found += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length
    return bytes(found)


def check(data: bytes) -> None:
    with written(data) as path:
        for shape in _SHAPES:
            found = lawful(lambda shape=shape: read_inputs(path, _NET, {"data": shape}))  # type: ignore[misc]
            assert found is None or (found["data"].dtype == np.float32 and found["data"].shape[1:] == shape[1:])
