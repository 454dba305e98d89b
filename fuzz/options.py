"""YAML of a user's: a config, and a split.yaml that was edited; as trees, since bytes hardly ever are YAML."""

from __future__ import annotations

from random import Random
from typing import Any

import yaml

from fuzz.edits import NUMBERS, numbered
from fuzz.law import lawful, written
from split_surgery.splitting.config import read_config
from split_surgery.splitting.plan_file import is_plan, read_plan
from split_surgery.splitting.recipes import RECIPES
from split_surgery.verbs.show import show
from tests.support.paths import GOLDEN, ROOT

_PATHS = (*sorted((ROOT / "configs").glob("*.yaml")), *sorted(GOLDEN.glob("*/split.yaml")))
SEEDS = [path.read_bytes() for path in _PATHS]

_WORDS = ("recipe", "layers", "layer", "names", "noise", "seed", "fast", "order", "scores", "snapshots", "measure", "skip",
          "output", "format",
          "net", "weights", "also", "file", "bytes", "sha256", "lineage", "ancestors", "shared_with", "tpm", "auto:3", "conv1",
          "~", "a.b/c")  # fmt: skip
_RAW = ("*a", "&a", "!!python/object:os.system", "!!binary aGk=", "!!set {a, b}", "!!timestamp 2026-13-45", "2026-01-01", "<<: *a",
          "? []", "---", "...", "%YAML 9",
        "!!float x", "!!int ''", "{", "[", "|", ">-", "\t", "'", "0o9", "12:34:56", "=", "!", "!<>", "\ufeff", "\x85",
        "{? {a: b} : c}", "&a [*a]")  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    """The tree with up to four changes, or its text with a piece of YAML's stranger syntax."""
    try:
        tree = yaml.safe_load(data)
    except Exception:
        tree = None
    if not isinstance(tree, dict) or random.random() < 0.4:
        lines = data.decode("utf-8", "replace").splitlines(keepends=True) or [""]
        at = random.randrange(len(lines))
        head, colon, _ = lines[at].partition(":")
        lines[at] = random.choice((f"{head}{colon} {random.choice(_RAW)}\n", random.choice(_RAW) + lines[at],
                                   lines[at] * 2, numbered(lines[at].encode(), random).decode("utf-8", "replace")))  # fmt: skip
        return "".join(lines).encode("utf-8", "replace")
    for _ in range(random.randint(1, 4)):
        _change(tree, random)
    text: bytes = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, encoding="utf-8")
    return text


def _value(random: Random) -> Any:
    return random.choice((
        None, True, [], {}, "", random.choice(_WORDS), random.choice(list(RECIPES)), random.choice(NUMBERS), -1, 2**70, 10**90,
        0.5, 1e-320,
        float("nan"), float("inf"), [1, "a"], {"a": {}}, {1: 2}, b"\0\xff", "x" * 2000, [[[[]]]], "a\nb", {"fast": 1},
        ["conv1"] * 300,
    ))  # fmt: skip


def _change(tree: Any, random: Random) -> None:
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        inner = [key for key in keys if isinstance(tree[key], (dict, list)) and tree[key]]
        if not inner or random.random() < 0.3:
            break
        tree = tree[random.choice(inner)]
    kind = random.randrange(4)
    if isinstance(tree, dict):
        if kind == 0 and keys:
            del tree[random.choice(keys)]
        elif kind == 1 and keys:
            tree[random.choice((*_WORDS, 1, None, True, 1.5))] = tree[random.choice(keys)]
        elif kind == 2 and keys:
            tree[random.choice(keys)] = _value(random)
        else:
            tree[random.choice(_WORDS)] = _value(random)
    elif kind == 0 and tree:
        del tree[random.choice(keys)]
    elif kind == 1 and tree:
        tree.append(tree[random.choice(keys)])
    else:
        tree.insert(random.randrange(len(tree) + 1), _value(random))


def check(data: bytes) -> None:
    with written(data, ".yaml") as path:
        lawful(lambda: is_plan(path))
        for verb in (None, *RECIPES):
            lawful(lambda verb=verb: read_config(path, verb))  # type: ignore[misc]
        plan = lawful(lambda: read_plan(path))
        if plan is not None:
            with written(plan.to_yaml(), ".yaml") as again:
                assert read_plan(again) == plan, "the plan is another when it is written and read again"
        lawful(lambda: show(path))
