"""Faults planted in what is about to be written, one at a time: each must stop the run as a defect, and nothing is written."""

from __future__ import annotations

import pytest

from split_surgery import residual
from split_surgery.documents.spans import Splice
from split_surgery.documents.weights.blobs import Held
from split_surgery.errors import Defect
from split_surgery.splitting import edited_files
from split_surgery.workspace import outputs
from tests.support.nets import CONV, DATA, TAIL, write_tiny

TEXT = DATA + CONV.replace(
    "  convolution_param {\n",
    '  param { name: "w" lr_mult: 1 }\n  param { lr_mult: 2 }\n  include { phase: TEST }\n  loss_weight: 0.5\n'
    '  convolution_param {\n    weight_filler { type: "msra" }\n',
) + TAIL  # fmt: skip


def in_text(old: bytes, new: bytes):
    """Change the last splice's text, which holds all new layers but the first."""

    def fault(splices):
        assert old in splices[-1].replacement
        return [*splices[:-1], splices[-1]._replace(replacement=splices[-1].replacement.replace(old, new, 1))]

    return fault


def drop_first(splices):
    return splices[1:]


def beyond(splices):
    return [*splices, Splice(len(TEXT) - 30, len(TEXT) - 29, b"9")]


@pytest.mark.parametrize(
    "fault",
    [
        in_text(b'"Convolution"', b'"Deconvolution"'),
        in_text(b"pad: 1", b"pad: 3"),
        in_text(b"kernel_size: 3", b"kernel_size: 5"),
        in_text(b"kernel_size: 1", b"kernel_size: 3"),
        in_text(b"SUM", b"MAX"),
        in_text(b"axis: 1", b"axis: 2"),
        in_text(b"lr_mult: 1", b"lr_mult: 0"),
        in_text(b'"w_split2"', b'"w"'),
        in_text(b'"msra"', b'"xavier"'),
        in_text(b"phase: TEST", b"phase: TRAIN"),
        in_text(b"num_output: 3", b"num_output: 4"),
        in_text(b"loss_weight: 0.5", b""),
        in_text(b'bottom: "data"', b'bottom: "conv1_1"'),
        in_text(b"convolution_param {", b"pooling_param {"),
        in_text(
            b'\nlayer {\n  name: "conv1_1_concat"', b'\n layer { name: "extra" }\nlayer {\n  name: "conv1_1_concat"'
        ),
        drop_first,
        beyond,
    ],
)
def test_faults_in_the_text(tmp_path, monkeypatch, fault):
    good = edited_files.text_splices
    monkeypatch.setattr(edited_files, "text_splices", lambda *arguments: fault(good(*arguments)))
    net, weights = write_tiny(tmp_path, TEXT)
    with pytest.raises(Defect):
        residual(net, weights, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def in_record(old: bytes, new: bytes):
    """Change the first record that holds `old`."""

    def fault(splices):
        at = next(index for index, splice in enumerate(splices) if old in splice.replacement)
        changed = splices[at]._replace(replacement=splices[at].replacement.replace(old, new, 1))
        return [*splices[:at], changed, *splices[at + 1 :]]

    return fault


@pytest.mark.parametrize(
    "fault",
    [
        in_record(b"\x0bConvolution", b"\x0bConvolutioN"),
        in_record(b"\xd2\x06\x06\x08\x03\x18\x01\x20\x03", b"\xd2\x06\x06\x08\x03\x18\x02\x20\x03"),  # pad 1 -> 2
        in_record(
            b"\xd2\x06\x06\x08\x03\x18\x01\x20\x03", b"\xd2\x06\x06\x08\x04\x18\x01\x20\x03"
        ),  # num_output 3 -> 4
        in_record(b"\xf2\x06\x02\x08\x01", b"\xf2\x06\x02\x08\x02"),  # SUM -> MAX
        in_record(b"\xc2\x06\x02\x10\x01", b"\xc2\x06\x02\x10\x02"),  # concat axis 1 -> 2
        in_record(b"conv1_1_split2_residual_pre", b"conv1_1_split2_residual_prE"),
        in_record(b"conv1_1_reorder", b"conv1_1_reordeR"),
        lambda splices: [splices[0]._replace(start=splices[0].start - 4), *splices[1:]],
        lambda splices: splices[:-1],
        lambda splices: [splices[0]._replace(replacement=splices[0].replacement * 2), *splices[1:]],
        lambda splices: [*splices, Splice(5, 6, b"x")],
    ],
)
def test_faults_in_the_weights(tmp_path, monkeypatch, fault):
    good = outputs.weight_splices
    monkeypatch.setattr(outputs, "weight_splices", lambda *arguments: fault(good(*arguments)))
    net, weights = write_tiny(tmp_path)
    with pytest.raises(Defect):
        residual(net, weights, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_wrong_numbers(tmp_path, monkeypatch):
    good = outputs.weight_splices
    monkeypatch.setattr(
        outputs,
        "weight_splices",
        lambda edits, blobs, *rest: good(
            edits, [tuple(Held(b.load() + 1, 0, "") for b in part) for part in blobs], *rest
        ),
    )
    net, weights = write_tiny(tmp_path)
    with pytest.raises(Defect, match="holds other numbers than were meant"):
        residual(net, weights, tmp_path / "out")
