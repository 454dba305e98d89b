"""A solver's state from protobuf to HDF5 and back, its history in another precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from split_surgery.documents.edit.v1_proof import prove_blob
from split_surgery.documents.rope import Rope
from split_surgery.documents.spans import Splice, merged
from split_surgery.documents.weights.blob_forms import encode_form
from split_surgery.documents.weights.blobs import Record
from split_surgery.documents.weights.caffemodel import BlobRef
from split_surgery.documents.weights.hdf5 import Copy, Hdf5Group, Hdf5Item, opened
from split_surgery.documents.weights.solverstate import (
    CURRENT_STEP,
    HISTORY,
    HISTORY_GROUP,
    ITER,
    LEARNED_NET,
    BinarySolverstate,
    Hdf5Solverstate,
)
from split_surgery.documents.weights.wire import Buffer, tagged, wrapped
from split_surgery.errors import Defect, FilePlace
from split_surgery.operations.blob_casts import cast_blob
from split_surgery.operations.convert_weights import BlobCast, Losses
from split_surgery.operations.forms import Form

_NAME = "history"


def history_casts(state: BinarySolverstate | Hdf5Solverstate, form: Form) -> list[BlobCast]:
    """What becomes of each blob of the history.

    Raises:
        FileError, Unsupported: one cannot be read, or written in that form.
    """
    record = Record(_NAME, "", (), (), (), FilePlace(state.name))
    return [BlobCast(_NAME, blob, cast_blob(record, blob, form, {})) for blob in state.history]


def state_to_hdf5(state: BinarySolverstate | Hdf5Solverstate, casts: Sequence[BlobCast]) -> Hdf5Group:
    """The state as Caffe writes it as HDF5; what else an HDF5 one holds is copied."""
    members: dict[str, Hdf5Item] = {
        "iter": np.array([state.iteration], np.int32),
        "current_step": np.array([state.current_step], np.int32),
    }
    if state.learned_net:
        members["learned_net"] = state.learned_net.encode("utf-8", "surrogateescape")
    inside = None
    if isinstance(state, Hdf5Solverstate):
        inside = "/"
        with opened(state.name) as file:
            members = {name: Copy(name) for name in file}
    history: dict[str, Hdf5Item] = {str(at): cast.new for at, cast in enumerate(casts)}
    return Hdf5Group(inside, members | {HISTORY_GROUP: Hdf5Group(None, history)})


def state_to_protobuf(
    state: BinarySolverstate | Hdf5Solverstate, form: Form, casts: Sequence[BlobCast], losses: Losses
) -> Rope:
    """The state as protobuf; what else a binary one holds stays. One that was HDF5 names binary weights, which Caffe looks for then.

    Raises:
        Defect: the proof finds something else than was meant.
    """
    fields = [merged(wrapped(HISTORY, encode_form(cast.new, cast.number(form)))) for cast in casts]
    if isinstance(state, BinarySolverstate):
        changed = [
            Splice(*span, chunks) for span, chunks, cast in zip(state.spans, fields, casts) if cast.changes(form)
        ]
        rope = Rope(state.reader).spliced(changed)
        learned_net = state.learned_net
    else:
        learned_net = state.learned_net.removesuffix(".h5")
        if learned_net != state.learned_net:
            losses.notes.append(
                f"it names {learned_net}: a binary state goes on with binary weights; convert those too"
            )
        named = tagged(LEARNED_NET, learned_net.encode("utf-8", "surrogateescape")) if learned_net else b""
        head = tagged(ITER, state.iteration) + named
        rope = Rope(
            Buffer(b"", state.name),
            [head, *(chunk for chunks in fields for chunk in chunks), tagged(CURRENT_STEP, state.current_step)],
        )
    _prove(state, BinarySolverstate(rope), casts, learned_net)
    return rope


def _prove(
    was: BinarySolverstate | Hdf5Solverstate, now: BinarySolverstate, casts: Sequence[BlobCast], learned_net: str
) -> None:
    """Raises: Defect, where the new state reads otherwise than was meant."""
    if (now.iteration, now.current_step, now.learned_net) != (was.iteration, was.current_step, learned_net):
        raise Defect(f"the new state is of iteration {now.iteration}, and names {now.learned_net}")
    if len(now.history) != len(casts):
        raise Defect(f"the new history has {len(now.history)} blobs instead of {len(casts)}")
    for blob, cast in zip(now.history, casts):
        assert isinstance(blob, BlobRef)
        prove_blob(blob, cast.new, f"blob {blob.index} of the history")
