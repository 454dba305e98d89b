"""Programs that run nets, each another implementation; a module for each has a function `run`."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

ENGINES = {"opencv": "opencv", "caffe": "pycaffe"}
"""The module of each engine. A new engine is a module and an entry here."""


def run_of(engine: str) -> Callable[..., Any]:
    """The function `run` of an engine, which is loaded only when it is used."""
    found: Callable[..., Any] = import_module(f"split_surgery.verification.engines.{ENGINES[engine]}").run
    return found
