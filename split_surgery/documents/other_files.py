"""What a file is that is no file of Caffe's: what a download leaves where the real thing was meant."""

from __future__ import annotations

import re
from typing import NamedTuple

FIRST_BYTES = 4096
"""Bytes at the beginning that are looked at."""


class OtherFile(NamedTuple):
    """What a file is instead, and what to do about it."""

    what: str
    hint: str


_UNPACK = "unpack it first: "
_SHORT = rb"[\x20-\x7e]{0,60}"
_OTHERS = "only Caffe's own files are read: give the .caffemodel, or .caffemodel.h5"
_STARTS = [
    (rb"version https://git-lfs\.github\.com/", "a Git LFS pointer, not the file itself", "fetch it: git lfs pull"),
    (rb"(?:\xef\xbb\xbf)?\s*(?=<).*?<(?:!doctype\s+html|html|head|body)\b", "an HTML page, not the file that was meant",
     "download the file itself, for instance by the link that is called raw"),
    (rb"\x1f\x8b", "compressed by gzip", _UNPACK + "gunzip"),
    (rb"BZh[1-9]1AY&SY", "compressed by bzip2", _UNPACK + "bunzip2"),
    (rb"\xfd7zXZ\0", "compressed by xz", _UNPACK + "unxz"),
    (rb"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK + "unzstd"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK + "7z x"),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK + "unrar x"),
    (rb"PK\x03\x04.{26}[^/]{1,200}/(?:data\.pkl|\.?format_version|byteorder)", "a file of PyTorch's", _OTHERS),
    (rb"\x80[\x02-\x05][}\](\x8a\x8c\x95ccX]", "a pickle of Python's (PyTorch's older files are such)", _OTHERS),
    (rb"PK\x03\x04.{26}[^/]{1,200}\.npy", "an npz of NumPy's", _OTHERS),
    (rb"\x93NUMPY", "an npy of NumPy's", _OTHERS),
    (rb"PK(?:\x03\x04|\x05\x06)", "a zip archive", _UNPACK + "unzip"),
    # ir_version, then producer, version, domain and such, then the graph, which no solver state has
    (rb"\x08[\x01-\x40](?:\x12.%b)?(?:\x1a.%b)?(?:\x22.%b)?(?:\x28.)?(?:\x32.%b)?\x3a" % ((_SHORT,) * 4), "a net in ONNX", _OTHERS),
    # a node within a message, where a caffemodel has the net's name: its own name, and then its operation
    (rb"\x0a.{1,2}\x0a.[\x21-\x7e]+\x12.[A-Z]\w+", "a graph of TensorFlow's", _OTHERS),
    (rb".{4}TFL3", "a net in TensorFlow Lite", _OTHERS),
    (rb".{8}\{\s*[\"}]", "a file of safetensors", _OTHERS),
    (rb".{257}ustar", "a tar archive", _UNPACK + "tar xf"),
    (rb"\x89HDF\r\n\x1a\n", "HDF5: weights or a solver state, not a text", "give the prototxt here"),
    (rb"(?:#[^\n]*\n|\s)*format: \d+\s", "a plan (split.yaml or fold.yaml), not a net",
     "give the net.prototxt beside it, or the directory; split-surgery apply makes a directory again by its split.yaml"),
    (rb"(?:.*?\n)?(?:Log file created at: |[IWEF]\d{4} \d\d:\d\d:\d\d)", "a log of Caffe",
     "give a net's own files here; split-surgery report reads logs"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture", "give the net or its weights"),
    (rb"%PDF-", "a PDF", "give the file that it is about"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16", "save it as UTF-8"),
]  # fmt: skip
_KINDS = [(re.compile(start, re.DOTALL | re.IGNORECASE), OtherFile(what, hint)) for start, what, hint in _STARTS]

_COMMENTS = rb"(?:\xef\xbb\xbf)?(?:#[^\n]*\n|\s)*"
_TEXTS = {
    "XML": re.compile(_COMMENTS + rb"<\?xml\b"),
    "JSON": re.compile(_COMMENTS + rb"(?:\{\s*[\"}]|\[\s*[\"{\]])"),
    "Python": re.compile(_COMMENTS + rb"(?:import [\w.]+\s|from [\w.]+ import |def \w+\(|class \w+[(:])"),
    "YAML": re.compile(_COMMENTS + rb"(?:---\s*\n|[\w-]+:[ \t]*\r?\n\s*- )"),
    "Markdown": re.compile(rb"\s*#{1,6} [^\n]+\n\s*(?:!?\[[^\]\n]*\]\(|[*>`-]|\w+,? \w+,? \w+)"),
}
"""How texts begin that are no prototxt, by what they are: each in a way that no prototxt does."""

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PLAIN = OtherFile("plain text, not weights or a solver state", "give the binary file here")
_FIRST_TAGS = re.compile(rb"[\x08\x0a\x12\x1a\x20\x22\x28\x32\x38\x42]|\xa2\x06")
"""How a NetParameter and a SolverState may begin: the tags of the fields that they have."""

_NONE_OF_CAFFES = OtherFile(
    "none of Caffe's files: it begins with other bytes", "give a .caffemodel, .caffemodel.h5 or solver state"
)


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is that of a text: a protobuf of Caffe's has the tag of a layer or a count there."""
    return not _CONTROL.search(head)


def text_kind(head: bytes) -> str | None:
    """What a text is that could not be read as a prototxt, by its beginning; None where that is not known."""
    return next((kind for kind, start in _TEXTS.items() if start.match(head)), None)


def other_file(head: bytes, weights: bool) -> OtherFile | None:
    """What a file is that could not be read as what it was given for; None where that is not known.

    Args:
        head: its first bytes, FIRST_BYTES of them or all. weights: whether weights or a solver state were expected, and no text.
    """
    found = next((kind for start, kind in _KINDS if start.match(head)), None)
    if found is not None or not weights or not head:
        return found
    return _PLAIN if is_text(head) else None if _FIRST_TAGS.match(head) else _NONE_OF_CAFFES
