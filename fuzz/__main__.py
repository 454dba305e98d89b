"""Run one harness: `python -m fuzz HARNESS SECONDS [flags of libFuzzer]`.

It stops at the first file that breaks the law, and keeps it.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from random import Random

import atheris

HERE = Path(__file__).parent
CORPUS, CRASHES = HERE / "corpus", HERE / "crashes"

WAIT, MEMORY = 20, 1500
"""Seconds and megabytes after which libFuzzer itself ends a file: the law's own bounds are lower, but see only what returns."""


def main(name: str, seconds: str, *flags: str) -> None:
    from fuzz.edits import MOST

    with atheris.instrument_imports(include=["split_surgery"]):
        harness = importlib.import_module(f"fuzz.{name}")
    corpus, crashes = CORPUS / name, CRASHES / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(harness.SEEDS):
        (corpus / f"seed{at}").write_bytes(seed)
    within_format = getattr(harness, "mutated", None)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if within_format is None or random.random() < 0.25:
            return bytes(atheris.Mutate(data, most))
        return bytes(within_format(data, random))[:most]

    words = [
        sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-max_len={MOST}", f"-timeout={WAIT}", f"-rss_limit_mb={MEMORY}",
        f"-artifact_prefix={crashes}/", "-print_final_stats=1", "-verbosity=0", *flags,
    ]  # fmt: skip
    atheris.Setup(words, harness.check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
