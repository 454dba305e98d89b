"""Whether two records hold the same: the one rule of `diff` and `verify`.

Numbers, shapes and types of blobs count, and what a record says of its layer's type and connections. Other bytes do not (fork
fields, param specs, how numbers are packed), nor do records without blobs, which programs write or leave out as they like.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.spans import chunk_size, pieces_of
from split_surgery.documents.weights.blobs import Blob, Record, Weights, same_shape
from split_surgery.documents.weights.caffemodel import LayerRecord
from split_surgery.documents.weights.values import Difference, difference


@dataclass(frozen=True)
class BlobDifference:
    """Two blobs of one index that differ; None where only one record has it.

    `numbers` says how, where the shapes agree and any number differs.
    """

    index: int
    was: Blob | None
    now: Blob | None
    numbers: Difference | None


def meant(weights: Weights) -> list[Record]:
    """The records that count: those with blobs."""
    return [record for record in weights.layers if record.blobs]


def same_bytes(record: Record, other: Record) -> bool:
    """Whether two protobuf records are equal byte for byte, read a piece at a time."""
    if not isinstance(record, LayerRecord) or not isinstance(other, LayerRecord):
        return False
    if chunk_size(record.body) != chunk_size(other.body):
        return False
    return all(map(bytes.__eq__, pieces_of(record.reader, record.body), pieces_of(other.reader, other.body)))


def same_said(was: Record, now: Record) -> bool:
    """Whether two records say the same of their layer's type and connections, as far as both say it: HDF5 does not, and some programs
    leave connections out."""
    pairs = ((was.type, now.type), (was.bottoms, now.bottoms), (was.tops, now.tops))
    return all(a == b for a, b in pairs if a and b)


def same_record(old: Weights, new: Weights, was: Record, now: Record) -> bool:
    """Whether two records of one layer hold the same.

    Raises:
        FileError, Unsupported: the numbers of a blob cannot be read.
    """
    return same_bytes(was, now) or (same_said(was, now) and next(differing_blobs(old, new, was, now), None) is None)


def differing_blobs(old: Weights, new: Weights, was: Record, now: Record) -> Iterator[BlobDifference]:
    """The blobs that differ; a blob that HDF5 leaves out, since it is stored with another layer, does not.

    Raises:
        FileError, Unsupported: the numbers of a blob cannot be read.
    """
    for found in differences(was.blobs, now.blobs):
        alone = found.was is None or found.now is None
        mixed = was.leaves_out_shared != now.leaves_out_shared
        if not (alone and mixed and _is_shared(old if now.leaves_out_shared else new, was.name, found.index)):
            yield found


def _is_shared(weights: Weights, name: str, index: int) -> bool:
    """Whether a layer before that of the name has a blob with the same numbers: then HDF5 stores it there only. (What cannot be read is
    no other's.)"""
    earlier = list(itertools.takewhile(lambda record: record.name != name, weights.layers))
    blob = next((record.blob(index) for record in weights.named(name)), None)
    others = [other for record in earlier for other in record.blobs if not other.fault]
    return (
        blob is not None and not blob.fault and any(same_shape(blob, o) and difference(blob, o) is None for o in others)
    )


def left_out(record: Record, weights: Weights, other: Weights) -> bool:
    """Whether another file does without a record since it is HDF5, which stores the record's blobs with layers before it only.

    Args:
        weights: the file that has the record. other: the one that has none of that name, or one without blobs.

    Raises:
        FileError, Unsupported: the numbers of a blob cannot be read.
    """
    leaves_out = any(one.leaves_out_shared for one in other.layers) and not record.leaves_out_shared
    return leaves_out and all(_is_shared(weights, record.name, blob.index) for blob in record.blobs)


def differences(
    old: Sequence[Blob], new: Sequence[Blob], progress: Callable[[str, int, int], None] = lambda *_: None
) -> Iterator[BlobDifference]:
    """The blobs that differ, matched by index.

    Raises:
        FileError, Unsupported: the numbers of a blob cannot be read.
    """
    sides = [{blob.index: blob for blob in blobs} for blobs in (old, new)]
    for done, index in enumerate(indices := sorted(sides[0].keys() | sides[1].keys())):
        progress("comparing", done, len(indices))
        was, now = sides[0].get(index), sides[1].get(index)
        if was is None or now is None or not same_shape(was, now):
            yield BlobDifference(index, was, now, None)
            continue
        numbers = difference(was, now)
        if numbers is not None or was.dtype != now.dtype:
            yield BlobDifference(index, was, now, numbers)


def readable(*records: Record) -> bool:
    """Whether nothing is wrong with the blobs of records."""
    return not any(blob.fault for record in records for blob in record.blobs)
