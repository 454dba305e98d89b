"""Binary solver states: indexed, every blob of the history read, shown."""

from __future__ import annotations

from fuzz.fields import mutated
from fuzz.law import lawful, written
from split_surgery import show
from split_surgery.documents.source import Source
from split_surgery.documents.weights.opening import solverstate_in
from tests.support.caffe_proto import message_class
from tests.support.nets import blob, conv_arrays, tiny_state

__all__ = ["SEEDS", "check", "mutated"]


def _legacy() -> bytes:
    found = message_class("SolverState")(iter=3)
    for array in conv_arrays(2, 1, 2, 2):
        blob(found.history.add(), array, "<f8", legacy=True)
    state: bytes = found.SerializeToString()
    return state


SEEDS = [tiny_state(), tiny_state(net="", step=0), _legacy()]


def check(data: bytes) -> None:
    with written(data, ".solverstate") as path:
        lawful(lambda: list(show(path).lines(verbose=True)))
        with Source(path) as source:
            state = lawful(lambda: solverstate_in(source))
            if state is not None:
                for held in state.history:
                    lawful(held.load)
                lawful(lambda: state.splices("other.caffemodel") if hasattr(state, "splices") else None)
