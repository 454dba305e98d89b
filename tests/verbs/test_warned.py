"""Reports' remarks are Python warnings in the library, and lines on stderr on the command line; never both."""

from __future__ import annotations

import warnings

import pytest

from split_surgery import SurgeryWarning, residual
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
