"""A weights file in another form: what becomes of each blob, what that rounds and loses, and the new file, proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from split_surgery.documents.edit.v1_proof import prove_record
from split_surgery.documents.edit.v1_record import Encoded, as_new, as_v1, with_blobs
from split_surgery.documents.net.net import Net
from split_surgery.documents.rope import Rope
from split_surgery.documents.spans import Fragment, Splice, merged
from split_surgery.documents.v1 import OLD_NUMBERS
from split_surgery.documents.weights.blob_forms import FIELD_OF, encode_form
from split_surgery.documents.weights.blobs import Blob, Weights
from split_surgery.documents.weights.caffemodel import BLOB_RAW, CAFFE_READ_LIMIT, BlobRef, Caffemodel, LayerRecord
from split_surgery.documents.weights.casts import Cast, Rounding, rounding_of
from split_surgery.errors import Defect, FileError, FilePlace, Unsupported
from split_surgery.operations.blob_casts import axes_in, cast_blob
from split_surgery.operations.forms import Form

Told = Callable[[str, int, int], None]
"""Progress: what is done, how far, of how much."""


@dataclass(frozen=True)
class BlobCast:
    """A blob of a layer, and what it becomes."""

    layer: str
    old: Blob
    new: Cast

    def number(self, form: Form) -> int:
        """The protobuf field of the new numbers."""
        if form.numbers:
            return BLOB_RAW if form.raw else FIELD_OF[self.new.dtype]
        return self.old.number if isinstance(self.old, BlobRef) else FIELD_OF[self.new.dtype]

    def word(self, form: Form) -> str:
        """The form of the new numbers in a protobuf file, as a word of `--to`."""
        raw = "raw-" if self.number(form) == BLOB_RAW else ""
        return raw + {"<f2": "half", "<f4": "float", "<f8": "double"}[self.new.dtype]

    def changes(self, form: Form) -> bool:
        """Whether its bytes in a protobuf file change."""
        old, new = self.old, self.new
        same = (old.dtype, old.shape, old.legacy) == (new.dtype, new.shape, new.legacy)
        return not (same and isinstance(old, BlobRef) and old.number == self.number(form))


@dataclass
class Losses:
    """What a conversion rounds and leaves out.

    Attributes:
        rounding: over all numbers. worst: the layer and blob with the largest rounding, "" where nothing is rounded.
        lost: what the new form has no place for. notes: what else is worth saying of the new file.
    """

    rounding: Rounding = field(default_factory=Rounding)
    worst: str = ""
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, cast: BlobCast, found: Rounding) -> None:
        if found.absolute > self.rounding.absolute:
            self.worst = f"{cast.layer} blob {cast.old.index}"
        self.rounding = self.rounding.joined(found)


def casts_of(weights: Weights, form: Form, net: Net | None) -> dict[int, list[BlobCast]]:
    """What becomes of each blob, by the place of its record in the file.

    Raises:
        FileError, Unsupported: a blob cannot be read, or written in that form.
    """
    axes = axes_in(net)
    return {
        at: [BlobCast(record.name, blob, cast_blob(record, blob, form, axes)) for blob in record.blobs]
        for at, record in enumerate(weights.layers)
    }


def measure(casts: Sequence[BlobCast], allow_overflow: bool, losses: Losses, progress: Told) -> None:
    """Add to the losses what smaller precision rounds, over all blobs.

    Raises:
        Unsupported: finite numbers would become infinite, which is not allowed.
    """
    for done, cast in enumerate(casts):
        progress("rounding", done, len(casts))
        found = rounding_of(cast.old, cast.new.dtype)
        if found.overflows and not allow_overflow:
            message = f"{found.overflows:,} numbers of blob {cast.old.index} would become infinite; the largest is {found.largest:.6g}"
            raise Unsupported(
                message, cast.old.place(), "--allow-overflow converts them all the same", layer=cast.layer
            )
        losses.add(cast, found)


def convert_protobuf(weights: Caffemodel, form: Form, casts: dict[int, list[BlobCast]], losses: Losses) -> Caffemodel:
    """The file with its records in the form; what does not change is copied.

    Raises:
        Unsupported: V1 has not what a record says, or a fork has put into it what nobody else knows.
        FileError: Caffe could not read the new file.
        Defect: the proof finds something else than was meant.
    """
    splices: list[Splice] = []
    kept: list[tuple[LayerRecord, list[BlobCast]]] = []
    without: dict[str, int] = {}
    lost: set[str] = set()
    for at, record in enumerate(weights.layers):
        if form.layers == "v1" and not record.blobs and record.type and record.type not in OLD_NUMBERS:
            splices.append(Splice(*record.span, b""))
            without[record.type] = without.get(record.type, 0) + 1
            continue
        kept.append((record, casts[at]))
        blobs = [encode_form(cast.new, cast.number(form)) if cast.changes(form) else None for cast in casts[at]]
        encoded = _encoded(record, blobs, form)
        if encoded is not None:
            splices.append(Splice(*record.span, merged(encoded.fragments)))
            lost |= set(encoded.lost)
    if without:
        kinds = ", ".join(f"{count} {kind}" for kind, count in without.items())
        losses.lost.append(f"records without blobs of types that V1 has not: {kinds}")
    if lost:
        losses.lost.append(
            f"{', '.join(sorted(lost))} of the records, which V1 has not, and which say nothing of their numbers"
        )
    new = Caffemodel(weights.rope.spliced(splices)) if splices else weights
    check_size(new.rope)
    _prove(kept, new)
    return new


def _encoded(record: LayerRecord, blobs: Sequence[tuple[Fragment, ...] | None], form: Form) -> Encoded | None:
    """The record as it will be; None where it stays."""
    if form.layers == "new" and record.v1:
        return as_new(record, blobs)
    if form.layers == "v1" and not record.v1:
        return as_v1(record, blobs)
    return None if all(blob is None for blob in blobs) else with_blobs(record, blobs)


def check_size(rope: Rope) -> None:
    """Raises: FileError, where Caffe could not read what would be written."""
    if rope.size > CAFFE_READ_LIMIT:
        message = f"would have {rope.size:,} bytes, and Caffe reads at most {CAFFE_READ_LIMIT:,} of a protobuf file"
        raise FileError(message, FilePlace(rope.name), "--to h5 has no such limit")


def _prove(kept: Sequence[tuple[LayerRecord, list[BlobCast]]], new: Caffemodel) -> None:
    if len(kept) != len(new.layers):
        raise Defect(f"the new file has {len(new.layers)} records instead of {len(kept)}")
    for (was, casts), now in zip(kept, new.layers):
        if (
            now.name != was.name
            or now.type != was.type
            or now.stored_bottoms != was.stored_bottoms
            or now.tops != was.tops
        ):
            raise Defect(f'the record of "{was.name}" reads as that of "{now.name}"')
        if now.reader is not was.reader:
            prove_record(was, now, [cast.new for cast in casts])
