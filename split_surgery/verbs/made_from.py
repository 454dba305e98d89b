"""What a directory that is named alone, or in another order, is to be held against."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from split_surgery.documents.source import PathLike, parent_of, read_file
from split_surgery.errors import FileError, FilePlace, UsageError, for_shell
from split_surgery.reporting.folded import folded_from, only_source
from split_surgery.reporting.lineage import derived_in
from split_surgery.verbs.net_and_weights import refuse_weights_alone
from split_surgery.workspace.names import FOLD_FILE, NET_FILE, PLAN_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir


def check_order(net: PathLike, weights: PathLike | None, derived: PathLike | None) -> None:
    """Raises: UsageError, where the directory `net` belongs at the end: a baseline follows it, or what it was folded from."""
    if derived is None:
        return
    one, other = (for_shell(os.fspath(path)) for path in (derived, net))
    if weights is not None and os.path.isfile(derived):
        raise UsageError(f"the derived net comes last: split-surgery verify NET WEIGHTS {other}")
    if weights is not None or not os.path.isdir(derived) or run_dir(net).fold is None:
        return
    if any(Path(derived).resolve() == text.parent.resolve() for text, _ in folded_from(Path(net), [Path(derived)])):
        raise UsageError(
            f"{os.fspath(net)} was folded from {os.fspath(derived)}, which comes first",
            hint=f"split-surgery verify {one} {other}",
        )


def baseline_of(directory: PathLike, proves: Callable[[Path, Path], bool]) -> tuple[Path, Path]:
    """The prototxt and the weights that the directory of a split was made from.

    Args:
        proves: whether the directory, of a fold, is the one of a prototxt and weights.

    Raises:
        FileError: it is none, or they were not found.
    """
    place = FilePlace(os.fspath(directory))
    if not os.path.isdir(directory):
        if os.path.basename(directory) == PLAN_FILE:
            raise UsageError(f"{place}: give its directory: verify {for_shell(os.path.dirname(directory) or '.')}")
        with OpenFiles() as files:
            refuse_weights_alone(files, directory)
        hint = "verify NET WEIGHTS says whether weights fit a net; verify NET WEIGHTS DERIVED proves a derived net; verify DIR a split"
        raise UsageError(f"{place} is one file: WEIGHTS is missing", hint=hint)
    there, name = run_dir(directory), for_shell(os.fspath(directory))
    if there.made_by is None:
        hint = "give the baseline and the directory: verify NET WEIGHTS DERIVED"
        if there.net is not None and there.written is not None:
            net, weights = (for_shell(os.fspath(path)) for path in (there.net, there.written))
            hint = f"whether its weights fit its net: verify {net} {weights}"
        raise FileError(
            f"is not the directory of a split or a fold (it has neither {PLAN_FILE} nor {FOLD_FILE})", place, hint
        )
    if there.net is None:
        remade = f"make it again: split-surgery apply {for_shell(os.fspath(there.made_by))} NET WEIGHTS -o {name}"
        raise FileError(f"has {there.made_by.name}, but no {NET_FILE}", place, remade if there.plan is not None else "")
    if there.plan is None:
        pairs = folded_from(Path(directory), [parent_of(directory)])
        if pairs:
            return only_source(pairs, name, proves)
        hint = f"name it: verify NET WEIGHTS {name}, or its directory: verify DIR {name}"
        raise FileError("is a fold, and what it was folded from is not in the directories beside it", place, hint)
    (found,) = (one for one in derived_in([directory]) if one.folder == Path(directory))
    if found.base is None:
        raise FileError(found.missing, place, f"name them: split-surgery verify NET WEIGHTS {name}")
    return found.base


def other_source(net: PathLike, fold: PathLike) -> Iterator[str]:
    """What may explain that a directory is not the net that it is held against: it was folded from another one, which is near."""
    if run_dir(fold).fold is None:
        return
    texts = [text for text, _ in folded_from(Path(fold), [parent_of(fold)])]
    if texts and not any(read_file(text) == read_file(net) for text in texts):
        name = for_shell(os.fspath(fold))
        yield f"{os.fspath(fold)} was folded from {texts[0]}: split-surgery verify {name} holds it against that"
