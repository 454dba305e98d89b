"""Proof of a split by another route, before anything is written: protobuf's own parsers read old and new layers.

What was made by splices and by hand-written wire bytes is read by protobuf with our small schema. What each new layer must
be is worked out a second time, on protobuf's message of the old layer, and the two must be equal. And no splice may reach
beyond the layer. A disagreement is a defect of this program.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from google.protobuf import text_format

from split_surgery.documents.edit.layer_edit import PARAMETERS, EnumValue, LayerEdit, NewField
from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.documents.edit.read_back import read_blob, read_history, read_record
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.rope import Rope
from split_surgery.documents.spans import Reader, Span, Splice
from split_surgery.documents.weights.blobs import Blob
from split_surgery.errors import Defect


def prove_extent(splices: Sequence[Splice], allowed: Sequence[Span], what: str) -> None:
    """Raises: Defect, where a splice reaches beyond the spans it may touch."""
    spans = sorted(allowed)
    starts = [span.start for span in spans]
    reach = [-1, *itertools.accumulate((span.stop for span in spans), max)]  # of those that start no later
    for splice in splices:
        if splice.stop > reach[bisect_right(starts, splice.start)]:
            raise Defect(f"an edit of the {what} reaches bytes {splice.start}..{splice.stop}, outside the layer")


def prove_records(
    splices: Sequence[Splice], reader: Reader, old: Any, edits: Sequence[LayerEdit], blobs: Sequence[tuple[Blob, ...]]
) -> None:
    """The new records against the old one and the plan. A record may be large: numbers are read by pieces.

    Args:
        splices: what is put in place of the old record, in the file of `reader`. old: protobuf's message of
            the old record, asked for before there are new ones.
        edits: the new layers. blobs: their numbers, in the dtype they are stored in.

    Raises:
        Defect: protobuf reads something else than was meant.
    """
    if len(splices) != len(edits):
        raise Defect(f"the layer became {len(splices)} records instead of {len(edits)}")
    for splice, edit, wanted in zip(splices, edits, blobs):
        written, what = Rope(reader, splice.chunks()), f'the record of "{edit.name}"'
        record = read_record(written, Span(0, written.size), what)
        if len(record.blobs) != len(wanted):
            raise Defect(f"{what} has {len(record.blobs)} blobs instead of {len(wanted)}")
        for index, (span, meant) in enumerate(zip(record.blobs, wanted)):
            place = f"blob {index} in {what}"
            read_blob(written, span, place).prove(meant, place)
        _compare(record.said, old, edit, "record")


def prove_history(reader: Reader, wanted: Sequence[Blob]) -> None:
    """The new history of a solver state, as fields of a SolverState, against the numbers that were meant.

    Raises:
        Defect: protobuf reads something else.
    """
    history = read_history(reader, "the new history")
    if len(history) != len(wanted):
        raise Defect(f"the new history holds {len(history)} blobs instead of {len(wanted)}")
    for index, (blob, meant) in enumerate(zip(history, wanted)):
        blob.prove(meant, f"new history blob {index}")


def prove_text(new: Sequence[Layer], edits: Sequence[LayerEdit], layer: Layer) -> None:
    """The new layers' text against the old layer's and the plan, where protobuf's text parser can read the old one at all.

    Args:
        new: what the old `layer` became, as it was read again.

    Raises:
        Defect: protobuf reads something else than was meant.
    """
    try:
        before = parse_text(layer)
        "".join(name for edit in edits for name in (edit.name, *edit.bottoms, *edit.tops)).encode()
    except (text_format.ParseError, UnicodeEncodeError):
        return  # it cannot read the original either: a fork's enum value, or a name that is not UTF-8
    del before.blobs[:]
    for found, edit in zip(new, edits):
        try:
            message = parse_text(found)
        except text_format.ParseError as error:
            raise Defect(f'the new text of "{layer.name}" does not parse: {error}') from error
        if edit.join is None and not message.HasField(edit.holder):
            raise Defect(f'the text of "{edit.name}" has no {edit.holder}')
        _compare(message, before, edit, "text")


def parse_text(layer: Layer) -> Any:
    """Protobuf's message of a layer's text, without what no field of the schema is.

    Raises:
        ParseError: it cannot read it.
    """
    # Bytes that are not UTF-8 are replaced alike in what is read and in what is expected.
    data = f"{layer.field.name} {layer.text.decode('utf-8', 'replace')}"
    net = text_format.Parse(data, message_class("NetParameter")(), allow_unknown_field=True)
    return only_layer(net)


def only_layer(net: Any) -> Any:
    """The one layer of a net that was made to hold one."""
    layers = [*net.layer, *net.layers]
    if len(layers) != 1:
        raise Defect(f"what stands for one new layer holds {len(layers)}")
    return layers[0]


def _compare(found: Any, old: Any, edit: LayerEdit, what: str) -> None:
    wanted = expected(old, edit)
    names = [_text(found.name), *map(_text, found.bottom), *map(_text, found.top)]
    if names != [_text(name) for name in (edit.name, *edit.bottoms, *edit.tops)]:
        raise Defect(f'the {what} of "{edit.name}" has the names {names}')
    for message in (found, wanted):
        for key in ("name", "bottom", "top"):
            message.ClearField(key)
    if found != wanted:
        raise Defect(f'the {what} of "{edit.name}" reads\n{found}\ninstead of\n{wanted}')


def expected(old: Any, edit: LayerEdit) -> Any:
    """What a new layer must be: protobuf's message of the old layer, changed as the edit says."""
    new = type(old)()
    if edit.join is not None:
        new.include.extend(old.include)
        new.exclude.extend(old.exclude)
        if not edit.v1 and old.HasField("phase"):
            new.phase = old.phase
        new.type = edit.join.type.number if isinstance(edit.join.type, EnumValue) else edit.join.type
        if old.HasField("convolution_param") and edit.join.param is not None:
            _set(new, edit.join.param)
        if edit.keep_loss_weight:
            new.loss_weight.extend(old.loss_weight)
        return new
    new.CopyFrom(old)
    if edit.fresh is not None:
        for key in PARAMETERS:
            if key in new.DESCRIPTOR.fields_by_name:
                new.ClearField(key)
        for field in edit.fresh if old.HasField("convolution_param") else ():
            _set(new, field)
    if not edit.keep_loss_weight:
        del new.loss_weight[:]
    if edit.fresh is not None:
        if not edit.v1 and not edit.keep_propagate_down:
            del new.propagate_down[:]
        return new
    if edit.v1:
        new.param[:] = [_renamed(name, edit) for name in old.param]
    else:
        if not edit.keep_propagate_down:
            del new.propagate_down[:]
        for param in new.param:
            if param.name:
                param.name = _renamed(param.name, edit)
    if new.HasField(edit.holder):
        held = getattr(new, edit.holder)
        for key in edit.drops:
            held.ClearField(key)
        if edit.num_output is not None:
            held.num_output = edit.num_output
        for field in edit.adds:
            _set(held, field)
    return new


def _renamed(name: Any, edit: LayerEdit) -> Any:
    """A parameter's name in the new layer; protobuf gives bytes where a string is not UTF-8."""
    if not name or isinstance(name, str):
        return name and name.removesuffix(edit.unsuffix) + edit.suffix
    return name.removesuffix(edit.unsuffix.encode("utf-8", "surrogateescape")) + edit.suffix.encode(
        "utf-8", "surrogateescape"
    )


def _set(message: Any, field: NewField) -> None:
    """Set a field, or add to a repeated one."""
    value = field.value.number if isinstance(field.value, EnumValue) else field.value
    there = getattr(message, field.name)
    if isinstance(value, tuple):
        target = there.add() if hasattr(there, "add") else there
        for inner in value:
            _set(target, inner)
    elif hasattr(there, "append"):
        there.append(value)
    else:
        setattr(message, field.name, value)


def _text(value: str | bytes) -> str:
    """Protobuf gives bytes where a string is not UTF-8."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "replace")
