"""Caffe's logs: read, and told in tables."""

from __future__ import annotations

import gzip
from random import Random

from fuzz.edits import edited
from fuzz.law import lawful, written
from split_surgery import report
from tests.support.paths import EXAMPLE

_LINES = (EXAMPLE / "train.log").read_bytes().splitlines(keepends=True)
_SAID = [line for line in _LINES if b"Iteration" in line or b"Test net output" in line or b"solver" in line.lower()]
_PLAIN = b"".join(_LINES[:30] + _SAID[:60])
SEEDS = [
    _PLAIN, gzip.compress(_PLAIN, mtime=0), _PLAIN.decode().encode("utf-16"), _PLAIN.replace(b"\n", b"\r\n"),
    b"".join(b'{"log":"%s\\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}\n' % line.rstrip() for line in _SAID[:30]),
    b"".join(b"[1,%d]<stderr>:%s" % (at % 2, line) for at, line in enumerate(_SAID[:40])),
    b"<pre>" + _PLAIN.replace(b"<", b"&lt;") + b"</pre>",
]  # fmt: skip
_OTHERS = [
    *_SAID, b"I0230 25:61:61.999999 0 x.cpp:0] Iteration 5, loss = 1\n", b"Iteration 99999999999999999999, loss = 3\n",
    b"\x1b[31m", b"\0",
    b"F0101 00:00:00.000000 1 blob.cpp:1] Check failed: error == cudaSuccess (2 vs. 0) out of memory\n", b"I0101 ", b"]", b"\xff\xfe",
    b"    Test net output #99999999999999999999: a = nan (* 1 = nan loss)\n", b"*** Aborted at 1 (unix time)",
    b"Optimization Done.\n",
    b"Restoring previous solver status from a_iter_5.solverstate\n", b"Snapshotting to binary proto file a_iter_5.caffemodel\n",
]  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    return edited(data.splitlines(keepends=True), _OTHERS, random)


def check(data: bytes) -> None:
    with written(data, ".log") as path:
        found = lawful(lambda: report(path))
        if found is not None:
            lawful(lambda: [str(found), found.to_dict(), found.tables()])
