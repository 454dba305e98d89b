"""Weights from protobuf to HDF5 and back: what a layer shares with one before it is in one of them only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from split_surgery.documents.edit.v1_proof import prove_blob
from split_surgery.documents.net.layer_types import own_blobs
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, shared_with
from split_surgery.documents.rope import Rope
from split_surgery.documents.spans import Chunk, Fragment, merged
from split_surgery.documents.v1 import OLD_NUMBERS
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blob_forms import Numbered, encode_form, in_order
from split_surgery.documents.weights.blobs import Blob, Record, same_shape
from split_surgery.documents.weights.caffemodel import (
    LAYER,
    LAYER_V1,
    NET_LAYER,
    NET_LAYERS_V1,
    NET_NAME,
    Caffemodel,
    LayerRecord,
    text_of,
)
from split_surgery.documents.weights.hdf5 import DATA, Copy, Hdf5Group, Hdf5Item, Hdf5Weights, name_fault, opened
from split_surgery.documents.weights.values import same_numbers
from split_surgery.documents.weights.wire import Buffer, tagged, wrapped
from split_surgery.errors import Defect, FileError, FilePlace, Unsupported
from split_surgery.operations.blob_casts import cast_blob
from split_surgery.operations.convert_weights import BlobCast, Losses, check_size
from split_surgery.operations.forms import Form

Casts = Mapping[int, "list[BlobCast]"]


def to_hdf5(weights: Caffemodel, casts: Casts, net: Net | None, losses: Losses) -> Hdf5Group:
    """What Caffe would write as HDF5: a group for each layer, in it the blobs that the layer owns.

    Raises:
        Unsupported: a layer's name cannot be that of a group.
        FileError: two records have one name; or blobs that are shared hold different numbers.
    """
    groups: dict[str, Hdf5Item] = {}
    owners: dict[str, Blob] = {}
    for at, record in enumerate(weights.layers):
        _check_name(record, record.name in groups)
        names = shared_names(record, net)
        owned: dict[str, Hdf5Item] = {}
        for cast in casts[at]:
            owner = owners.setdefault(names[cast.old.index], cast.old) if names.get(cast.old.index) else cast.old
            if owner is cast.old:
                owned[str(cast.old.index)] = cast.new
            elif not (same_shape(owner, cast.old) and same_numbers(owner, cast.old)):
                tied = names[cast.old.index]
                message = f'blob {cast.old.index} shares the parameter "{tied}" with a layer before it, and holds other numbers'
                raise FileError(message, cast.old.place(), layer=record.name)
        groups[record.name] = Hdf5Group(None, owned)
    losses.lost.append(
        "the records' types, connections and parameters, and the net's own fields: HDF5 has names and blobs only"
    )
    return Hdf5Group(None, {DATA: Hdf5Group(None, groups)})


def _check_name(record: Record, there: bool) -> None:
    fault = name_fault(record.name)
    if fault:
        raise Unsupported(fault, record.place, "rename the layer in the net and its weights", layer=record.name)
    if there:
        raise FileError("has two records, and HDF5 has one group of a name", record.place, layer=record.name)


def shared_names(record: LayerRecord, net: Net | None) -> dict[int, str]:
    """The names of a layer's parameters by the index of the blob: as the record says, and as the net does."""
    field, found = (LAYER_V1 if record.v1 else LAYER)["param"], dict[int, str]()
    at = 0
    for item in wire.walk(record.reader, record.body.start, record.body.stop, "layer"):
        if item.number != field:
            continue
        if record.v1:
            found[at] = text_of(record.reader, item)
        else:
            for inner in wire.walk(record.reader, item.value, item.stop, "param"):
                if inner.number == 1:
                    found[at] = text_of(record.reader, inner)
        at += 1
    for layer in net.named(record.name)[:1] if net is not None else ():
        found |= {index: text for index, text, _ in layer.param_names()}
    return {index: text for index, text in found.items() if text}


def hdf5_to_hdf5(weights: Hdf5Weights, casts: Casts) -> Hdf5Group:
    """An HDF5 file with its numbers in another precision; what else it holds is copied."""
    groups: dict[str, Hdf5Item] = {
        record.name: Hdf5Group(f"{DATA}/{record.name}", {str(cast.old.index): cast.new for cast in casts[at]})
        for at, record in enumerate(weights.layers)
    }
    with opened(weights.name) as file:
        members: dict[str, Hdf5Item] = {name: Copy(name) for name in file}
    return Hdf5Group("/", members | {DATA: Hdf5Group(DATA, groups)})


def to_protobuf(weights: Hdf5Weights, form: Form, net: Net | None, losses: Losses) -> tuple[Caffemodel, list[BlobCast]]:
    """A protobuf file of what HDF5 holds, in the order of the net where there is one, with types and connections then.

    Raises:
        Unsupported: a layer lacks blobs that it shares, and there is no net to say with whom; or V1 has not its type.
        FileError: Caffe could not read the new file.
        Defect: the proof finds something else than was meant.
    """
    chunks: list[Chunk] = []
    found: list[BlobCast] = []
    if net is not None and net.message.text("name"):
        chunks.append(tagged(NET_NAME, (net.message.text("name") or "").encode("utf-8", "surrogateescape")))
    for record, blobs in _records(weights, net):
        casts = [BlobCast(record.name, blob, cast_blob(record, blob, form, {})) for blob in blobs]
        found += casts
        chunks += merged(_encode(record, casts, form, net))
    missing = "parameters" if net is not None else "types, connections and parameters (NET says the former two)"
    losses.notes.append(f"HDF5 has no {missing} of layers: the new records have none")
    new = Caffemodel(Rope(Buffer(b"", weights.name), chunks))
    check_size(new.rope)
    blobs_made = [(record.name, blob) for record in new.layers for blob in record.blobs]
    if len(blobs_made) != len(found):
        raise Defect(f"the new file has {len(blobs_made)} blobs instead of {len(found)}")
    for (name, blob), cast in zip(blobs_made, found):
        if name != cast.layer:
            raise Defect(f'a blob of "{cast.layer}" is one of "{name}"')
        prove_blob(blob, cast.new, f'blob {blob.index} of "{name}"')
    return new, found


def _records(weights: Hdf5Weights, net: Net | None) -> Iterator[tuple[Record, list[Blob]]]:
    """The layers that get a record, each with all its blobs; without a net those that have some."""
    names = dict.fromkeys(layer.name for layer in net.layers) if net is not None else {}
    for name in dict.fromkeys([*names, *(record.name for record in weights.layers)]):
        there = weights.named(name)
        record = there[0] if there else Record(name, "", (), (), (), FilePlace(weights.name))
        blobs = _with_shared(weights, record, net)
        if blobs or name in names:
            yield record, blobs


def _with_shared(weights: Hdf5Weights, record: Record, net: Net | None) -> list[Blob]:
    own = {blob.index: blob for blob in record.blobs}
    wanted = max(own, default=-1) + 1
    for layer in net.named(record.name)[:1] if net is not None else ():
        shared = (
            [index for index, _, _ in layer.param_names() if shared_with(net, layer, index)] if net is not None else []
        )
        wanted = max(wanted, (own_blobs(layer) or 0) if own or shared else 0, *(index + 1 for index in shared), 0)
        for index in range(wanted):
            blob = own.get(index) or (blob_of(net, weights, layer, index) if net is not None else None)
            if blob is not None:
                own[index] = blob
    missing = [index for index in range(wanted) if index not in own]
    if missing:
        message = f"has no blob {missing[0]}, which it seems to share with another layer"
        hint = "give NET before the weights, which says with which" if net is None else ""
        raise Unsupported(message, record.place, hint, layer=record.name)
    return [own[index] for index in range(wanted)]


def _encode(record: Record, casts: list[BlobCast], form: Form, net: Net | None) -> tuple[Fragment, ...]:
    v1 = form.layers == "v1"
    numbers = LAYER_V1 if v1 else LAYER
    fields: list[Numbered] = [(numbers["name"], (_text(numbers["name"], record.name),))]
    for layer in net.named(record.name)[:1] if net is not None else ():
        if v1 and layer.type not in OLD_NUMBERS:
            layer.refuse(f'V1 has no layers of the type "{layer.type}"')
        kind = tagged(numbers["type"], OLD_NUMBERS[layer.type]) if v1 else _text(numbers["type"], layer.type)
        fields.append((numbers["type"], (kind,)))
        fields += [(numbers["bottom"], (_text(numbers["bottom"], name),)) for name in layer.bottoms]
        fields += [(numbers["top"], (_text(numbers["top"], name),)) for name in layer.tops]
    fields += [
        (numbers["blobs"], wrapped(numbers["blobs"], encode_form(cast.new, cast.number(form)))) for cast in casts
    ]
    return wrapped(NET_LAYERS_V1 if v1 else NET_LAYER, in_order(fields))


def _text(number: int, text: str) -> bytes:
    return tagged(number, text.encode("utf-8", "surrogateescape"))
