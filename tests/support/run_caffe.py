"""Tasks for pycaffe, in a process of its own."""

from __future__ import annotations

import json
import subprocess

from tests.support.paths import SUPPORT


def in_caffe(caffe, tasks: list[dict[str, object]]) -> None:
    words = json.dumps(tasks, default=str)
    script = SUPPORT / "caffe_batch.py"
    done = subprocess.run([caffe[1], script], input=words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def asked(caffe, script: str, tasks: list[dict[str, object]]):
    """The answers of one of the scripts beside this file to tasks."""
    words = json.dumps(tasks, default=str)
    done = subprocess.run([caffe[1], SUPPORT / script], input=words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])
