"""What can be taken out of a weights file: the net that it holds, or the numbers of one blob."""

from __future__ import annotations

from split_surgery.documents.edit.record_text import NetText
from split_surgery.documents.net.net import Net
from split_surgery.documents.npy import npy_header
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import Source
from split_surgery.documents.v1 import OF_A_FORK
from split_surgery.documents.weights.blobs import Blob, Weights
from split_surgery.documents.weights.caffemodel import BlobRef, Caffemodel
from split_surgery.errors import Defect, FileError, FilePlace, OptionError, nearest
from split_surgery.workspace.output_dir import Output


def extracted_net(weights: Weights) -> NetText:
    """The net of a caffemodel, read again to prove that it is one.

    Raises:
        FileError: the file holds none.
        Defect: the text says other layers than the records.
    """
    if not isinstance(weights, Caffemodel):
        message = "is HDF5, which holds names and numbers of layers, and no net"
        raise FileError(message, FilePlace(weights.name), "--blob LAYER/INDEX takes out numbers")
    text = NetText(weights)
    net = Net(Document(text.data, weights.name))
    found = [(layer.name, layer.type, layer.bottoms, layer.tops) for layer in net.layers]
    records = [(one.name, one.type.removeprefix(OF_A_FORK), one.bottoms, one.tops) for one in weights.layers]
    there = iter(records)
    if not all(layer in there for layer in found) or len(found) != text.layers:
        raise Defect("the text of the net has other layers than the file")
    return text


def stored_blob(weights: Weights, wanted: str) -> tuple[str, Blob]:
    """The layer's name and the blob that `LAYER/INDEX` means; a layer's name may hold slashes.

    Raises:
        OptionError: there is no such layer, or no such blob in it.
    """
    name, _, index = wanted.rpartition("/")
    if not name or not index.isdecimal() or len(index) > 9:
        raise OptionError(
            "blob", "must be LAYER/INDEX, such as conv1/0 for the weight and conv1/1 for the bias", wanted
        )
    records = weights.named(name)
    if not records:
        known = list(dict.fromkeys(record.name for record in weights.layers if record.blobs))
        raise OptionError("blob", f'no layer "{name}" in {weights.name}', hint=nearest(name, known))
    blob = records[-1].blob(int(index))
    if blob is None:
        raise OptionError("blob", f'"{name}" has {len(records[-1].blobs)} blobs in {weights.name}', wanted)
    return name, blob


def npy_output(name: str, blob: Blob, source: Source) -> Output:
    """The file of a blob's numbers, as they are stored.

    Raises:
        FileError, Unsupported: they cannot be read.
    """
    head = npy_header(blob.shape, blob.dtype)
    in_one_piece = isinstance(blob, BlobRef) and not blob.fault and blob.numbers  # copied from file to file
    return Output(name, [head, in_one_piece or blob.load().tobytes()], source)
