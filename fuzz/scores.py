"""Scores from a file: each of its formats on every content."""

from __future__ import annotations

import io
import re
from random import Random

import numpy as np

from fuzz.edits import edited
from fuzz.law import lawful, written
from split_surgery.splitting.ranking.scores_file import read_scores

_NPY = io.BytesIO()
np.save(_NPY, np.array([0.5, 0.25, 1.0]))
SEEDS = [
    b"0.5\n0.25\n1\n", b"layer,channel,score\nconv1,1,0.25\nconv1,0,.5\n'=conv,0,1\n", b"[0.5, 0.25, 1.0]", b'{"conv1": [0.5, 0.25]}',
    b'{"layers": [{"layer": "conv1", "scores": [1, 2]}]}', b'{"layer": "conv1", "kernels": [{"channel": 0, "score": 1.5}]}',
    b"conv1:\n- 0.5\n- 0.25\n", _NPY.getvalue(),
]  # fmt: skip
_TOKEN = re.compile(rb"\"[^\"\n]*\"|[\w.+-]+|\s+|.", re.DOTALL)
_OTHERS = [
    *(token for seed in SEEDS[:-1] for token in _TOKEN.findall(seed)), b'"', b"\0", b"\xef\xbb\xbf", b"\r", b"NaN", b"Infinity",
    b"1e999",
    b"null", b"true", b"[" * 3000, b"{" * 60, b"\\u0000", b"\xff", b"9" * 5000, b"&a ", b"*a", b"score", b"channel", b"\xc2\xb2",
    b"\xd9\xa3",
]  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    return edited(_TOKEN.findall(data), _OTHERS, random)


def check(data: bytes) -> None:
    for suffix in (".csv", ".json", ".yaml", ".npy"):
        with written(data, suffix) as path:
            found = lawful(lambda path=path: read_scores(path, "conv1"))  # type: ignore[misc]
            assert found is None or all(isinstance(score, float) for score in found)
