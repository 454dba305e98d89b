"""Remarks are Python warnings in the library, and lines on stderr on the command line; errors speak of arguments, and of flags."""

from __future__ import annotations

import warnings

import pytest

from split_surgery import SurgeryWarning, fold, residual, verify
from split_surgery.errors import UsageError, as_arguments
from tests.support.nets import write_tiny


def test_the_library_warns_and_speaks_of_arguments(tmp_path):
    net, weights = write_tiny(tmp_path)
    with pytest.warns(SurgeryWarning) as said:
        report = residual(net, weights, tmp_path / "out")
    assert [str(one.message) for one in said] == [
        "no snapshots were found, so kernels are ranked by weight norm; for TPM: snapshots='GLOB', or solver=FILE"
    ]
    assert said[0].filename == __file__, "it points at the call"
    assert report.warnings[0].endswith("for TPM: --snapshots 'GLOB', or --solver FILE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        residual(net, weights, tmp_path / "other", measure="norm")


def test_the_command_prints_each_once(tmp_path, program):
    net, weights = write_tiny(tmp_path)
    done = program("residual", net, weights, "-o", tmp_path / "out", "-q")
    assert done.stderr.splitlines() == [
        "split-surgery: no snapshots were found, so kernels are ranked by weight norm; "
        "for TPM: --snapshots 'GLOB', or --solver FILE"
    ]


def test_errors_speak_of_arguments_and_of_flags(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    with pytest.raises(UsageError) as said:
        residual(net, weights, tmp_path / "out", noise=-1)
    assert str(said.value) == "noise=-1.0: a standard deviation is not negative"
    done = command("residual", net, weights, "-o", tmp_path / "out", "--noise", "-1")
    assert done.stderr == "split-surgery: --noise -1.0: a standard deviation is not negative\n"
    with pytest.raises(UsageError, match="^max_drift=-1"):
        verify(net, weights, max_drift=-1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(UsageError, match="replace the files with force$"):
        fold(net, weights, tmp_path / "out")


@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        ("--max-drift 0.1", "max_drift=0.1"),
        ("name them with --snapshots", "name them with snapshots"),
        ('layer "--x" and `fold --all`', 'layer "--x" and `fold --all`'),
        ("--as PATH, --fast 25%, --phase test", "as_path=PATH, fast=25%, phase test"),
    ],
)
def test_flags_as_arguments(flags, arguments):
    assert as_arguments(flags) == arguments
