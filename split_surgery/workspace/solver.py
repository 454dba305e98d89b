"""A solver that trains the derived net: what it loads and writes is pointed into the output directory, the rest is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from split_surgery.documents.edit.layer_text import eol_near
from split_surgery.documents.net.net import INNER_NETS, NET_FIELDS
from split_surgery.documents.prototxt import Document, Field, Message, Scalar, quote
from split_surgery.documents.spans import Splice
from split_surgery.errors import UsageError

DEFAULT_PREFIX = "net"


def solver_splices(
    document: Document, directory: str, new_name: Callable[[str], str | None], weights_name: str, own: str | None
) -> list[Splice]:
    """Splices of a solver so that training can neither load nor overwrite the baseline's files.

    Args:
        directory: the output directory as Caffe will see it.
        new_name: what a net that the solver names is called in the directory; None for one that is not written there.
        weights_name: name of the weights file in the directory.
        own: the solver that an earlier run wrote beside NET, if there is another than this one.

    Raises:
        UsageError: the solver names a net that is not being written.
    """
    splices: list[Splice] = []
    root = document.root
    inside = any(True for name in INNER_NETS for _ in root.named(name))
    if not inside and not any(_strings(root, name) for name in NET_FIELDS):
        raise UsageError(f"{document.name} names no net, so it is not the solver that trains NET")
    for name in NET_FIELDS:
        for field, value in _strings(root, name):
            name_there = new_name(value.text)
            if name_there is None:
                raise UsageError(
                    f'the solver\'s {name} is "{value.text}", which is not NET',
                    document.place(field),
                    hint=_which_solver(root, own),
                )
            splices.append(_set(field, value, f"{directory}/{name_there}"))
    for field, value in _strings(root, "weights"):
        splices.append(_set(field, value, f"{directory}/{weights_name}"))
    prefixes = list(_strings(root, "snapshot_prefix"))
    for field, value in prefixes:
        splices.append(_set(field, value, f"{directory}/{prefix_name(value.text)}"))
    if not prefixes:
        # Without one Caffe would snapshot beside the baseline, or fail at the first snapshot.
        end = len(document.data)
        eol = eol_near(document.data, end)
        lead = b"" if document.data.endswith(b"\n") or not document.data else eol
        line = b"snapshot_prefix: " + quote(f"{directory}/{DEFAULT_PREFIX}") + eol
        splices.append(Splice(end, end, lead + line))
    return splices


def _which_solver(root: Message, own: str | None) -> str:
    """What to give where a solver names a net that is not NET."""
    if own is not None:
        return f"the solver that trains NET is {own}, which a split of the directory takes by itself, without --solver"
    if sum(len(_strings(root, name)) for name in NET_FIELDS) > 1:
        return "a solver with several nets needs the others too: --also FILE"
    return "give the solver that trains NET"


def snapshot_prefix(document: Document) -> str | None:
    """Where a solver puts its snapshots, if it says."""
    return document.root.text("snapshot_prefix")


def prefix_name(prefix: str) -> str:
    """The file part of a snapshot_prefix, kept so that snapshots are still told apart by it."""
    return PurePosixPath(prefix.replace("\\", "/")).name if not prefix.endswith("/") else DEFAULT_PREFIX


def _strings(root: Message, name: str) -> list[tuple[Field, Scalar]]:
    return [(field, value) for field in root.named(name) for value in field.values if isinstance(value, Scalar)]


def _set(field: Field, value: Scalar, text: str) -> Splice:
    span = value.span if field.is_list else field.value_span
    return Splice(*span, quote(text, value.raw[:1] if value.kind == "string" else b'"'))
