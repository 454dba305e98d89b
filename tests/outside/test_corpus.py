"""Every file of the corpus of real prototxts: read, split, shown, compared and drawn, or refused with a sentence.

`python -m tests.support.corpus_splits` prints what became of each split.
"""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from split_surgery import diff, show
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shapes import costs
from split_surgery.documents.prototxt import Document
from split_surgery.errors import SurgeryError
from split_surgery.reporting.diagram import diagram_of
from tests.support.caffe_proto import message_class
from tests.support.corpus import corpus_shares
from tests.support.corpus_splits import VERBS, split_file
from tests.support.paths import CORPUS, SHARED, WHOLE_CORPUS
from tests.support.protobuf_oracle import Mixed, agrees

SPARED = 1 if WHOLE_CORPUS else 3
"""Of what a law reads of the whole corpus, a usual run reads one file in so many."""

FOLDED = 12
"""Of so many files of a folder one is folded again here, and each is split in one of two ways; `python -m tests.support.corpus_splits`
splits each in both ways and folds them all."""


@pytest.mark.corpus
@pytest.mark.parametrize("files", corpus_shares())
def test_real_nets_are_split_or_refused(files, tmp_path):
    for number, path in enumerate(files):
        place = tmp_path / str(number)
        place.mkdir()
        split_file(path, place, VERBS[number % len(VERBS)], folds=number % FOLDED == 0)


@pytest.mark.corpus
@pytest.mark.parametrize("files", corpus_shares())
def test_corpus(files, record_property):
    """Each real file parses, protobuf agreeing wherever it can parse it, or is refused with file, line and column."""
    counts = {
        "parsed": 0,
        "protobuf agrees": 0,
        "protobuf cannot": 0,
        "no schema": 0,
        "refused": 0,
        "refused by protobuf too": 0,
    }
    for path in files:
        try:
            document = Document(path.read_bytes(), path.name)
        except SurgeryError as error:
            name, line, column, _ = str(error).removeprefix(path.name).split(":", 3)
            assert (name, line.isdigit(), column.isdigit()) == ("", True, True)
            counts["refused"] += 1
            counts["refused by protobuf too"] += protobuf_refuses(path.read_bytes())
            continue
        counts["parsed"] += 1
        try:
            counts["protobuf agrees" if agrees(document) else "protobuf cannot"] += 1
        except Mixed:
            counts["no schema"] += 1
    assert counts["refused"] == counts["refused by protobuf too"]
    for key, value in counts.items():
        record_property(key, value)


@pytest.mark.corpus
def test_no_file_of_the_corpus_fails_otherwise_than_with_a_sentence(capsys):
    shown = 0
    for path in sorted(CORPUS.rglob("*.prototxt"))[3 :: 9 * SPARED]:
        try:
            report = show(path)
        except SurgeryError:
            continue
        print(report)
        shown += str(SHARED) not in capsys.readouterr().out
    assert shown > 80 / SPARED


@pytest.mark.corpus
def test_every_file_of_the_corpus_equals_itself(capsys):
    compared, before = 0, None
    for path in sorted(CORPUS.rglob("*.prototxt"))[5 :: 15 * SPARED]:
        try:
            assert diff(path, path).equal
            compared += 1
            print(*diff(before or path, path).lines(verbose=True), sep="\n")
            before = path
        except SurgeryError as error:
            assert str(error)  # two kinds, or one of the files that are refused
    assert compared > 40 / SPARED


@pytest.mark.corpus
def test_every_layer_of_real_nets_is_in_one_box():
    """Each layer of a state stands in one box, folded or not, and no arrow runs back."""
    done = 0
    for path in sorted(CORPUS.rglob("*.prototxt"))[:: 9 * SPARED]:
        try:
            net = Net(Document(path.read_bytes(), path.name))
        except Exception:  # not a net
            continue
        state = State("TEST")
        names = sorted(layer.name for layer in net.layers if layer.in_state(state))
        whole = diagram_of(net, state)
        for found in (whole, whole.around(names[:1])) if names else ():
            assert sorted(name for box in found.boxes for name in box.layers) == names
            assert all(arrow.start < arrow.end for arrow in found.arrows)
        done += 1
    assert done > 60 / SPARED


@pytest.mark.corpus
def test_no_net_of_the_corpus_raises():
    met = 0
    for path in sorted(CORPUS.rglob("*.prototxt"))[:: 7 * SPARED]:
        try:
            net = Net(Document(path.read_bytes(), path.name))
        except SurgeryError:
            continue
        met += sum(
            row.multiply_adds is not None
            for state in (State("TEST"), State("TRAIN"))
            for row in costs(net, None, state)
        )
    assert met > 2000 / SPARED


def protobuf_refuses(data: bytes) -> bool:
    try:
        text_format.Parse(data, message_class("NetParameter")(), allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError):
        return True
    return False
