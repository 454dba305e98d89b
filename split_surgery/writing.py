"""The outputs of a split as chunks, and the diff that shows what they change."""

from __future__ import annotations

import difflib
import io
from collections.abc import Sequence

from split_surgery.documents.caffemodel import Caffemodel, LayerRecord
from split_surgery.documents.wire import Buffer
from split_surgery.files import Output
from split_surgery.inputs import NET_FILE, PLAN_FILE, SOLVER_FILE, WEIGHTS_FILE, Inputs
from split_surgery.plan import Plan
from split_surgery.solver import solver_splices
from split_surgery.spans import Span, Splice, apply_splices, splice_chunks


def outputs_of(
    inputs: Inputs, plan: Plan, texts: Sequence[list[Splice]], binary: list[Splice], directory: str
) -> tuple[Output, ...]:
    """The files of the output directory, split.yaml last.

    Args:
        texts: splices of each of the inputs' nets. binary: those of the weights file.
        directory: the output directory as Caffe will see it.
    """
    outputs = [Output(WEIGHTS_FILE, list(splice_chunks(inputs.source.size, binary)), inputs.source)]
    for file, splices in zip(inputs.nets, texts):
        data = file.net.document.data
        if file.net.inside_solver:
            body = Span(*file.net.message.body)
            inner = [Splice(s.start - body.start, s.stop - body.start, s.replacement) for s in splices]
            outputs.append(Output(file.name, [dedented(apply_splices(data[body.start : body.stop], inner))]))
            pointed = solver_splices(file.net.document, directory, inputs.new_name, WEIGHTS_FILE)
            outputs.append(Output(SOLVER_FILE, [apply_splices(data, [*splices, *pointed])]))
        else:
            outputs.append(Output(file.name, [apply_splices(data, splices)]))
    if inputs.solver is not None:
        pointed = solver_splices(inputs.solver, directory, inputs.new_name, WEIGHTS_FILE)
        outputs.append(Output(SOLVER_FILE, [apply_splices(inputs.solver.data, pointed)]))
    return (*outputs, Output(PLAN_FILE, [plan.to_yaml()]))


def dedented(body: bytes) -> bytes:
    """The inside of `net_param { }` as a file of its own: without the indent that all its lines share."""
    eol = b"\r\n" if b"\r\n" in body else b"\n"
    opening, newline, rest = body.partition(b"\n")
    if not newline:
        return body.strip() + eol
    lines = rest.rstrip(b" \t\r\n").split(b"\n")
    filled = [line for line in lines if line.strip()]
    first = filled[0] if filled else b""
    indent = first[: len(first) - len(first.lstrip(b" \t"))]
    while not all(line.startswith(indent) for line in filled):
        indent = indent[:-1]
    # What stands on the line of the opening brace (a comment, a field) becomes a line of its own.
    head = [opening.strip() + eol[:-1]] if opening.strip() else []
    return b"\n".join([*head, *(line.removeprefix(indent) for line in lines)]).rstrip(b"\r") + eol


def diff_of(inputs: Inputs, outputs: Sequence[Output], record: LayerRecord, binary: list[Splice]) -> str:
    """A unified diff of the texts, and a table of the weights file's changed records."""
    before = {file.name: file.net.document for file in inputs.nets} | {
        SOLVER_FILE: inputs.solver or inputs.net.document
    }
    if inputs.net.inside_solver:
        del before[NET_FILE]  # the solver's diff shows it
    parts: list[str] = []
    for output in outputs:
        if output.name in before:
            old = before[output.name]
            new = b"".join(output.pieces())
            for line in difflib.unified_diff(_lines(old.data), _lines(new), old.name, output.name):
                parts.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    parts.append(f"--- {inputs.weights.reader.name}\n+++ {WEIGHTS_FILE}\n")
    parts.append(
        f"@@ bytes {record.span.start}..{record.span.stop} become {sum(len(splice.replacement) for splice in binary)} @@\n"
    )
    parts.append(f"-{record.name}  {[blob.shape for blob in record.blobs]}\n")
    new_records = Caffemodel(Buffer(b"".join(splice.replacement for splice in binary))).layers
    parts += [f"+{new.name}  {[blob.shape for blob in new.blobs]}\n" for new in new_records]
    return "".join(parts)


def _lines(data: bytes) -> list[str]:
    # Lines end at \n only: a form feed or U+0085 in a comment is no end of line.
    return list(io.StringIO(data.decode("utf-8", "replace"), newline="\n"))
