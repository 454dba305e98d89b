"""The arguments NET and WEIGHTS, which the directory of a split, a fold or an edit may stand for."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.other_files import FIRST_BYTES, is_text
from split_surgery.documents.source import PathLike, not_there, read_file, same_file, sha256
from split_surgery.errors import FileError, FilePlace, SurgeryError, UsageError, for_shell
from split_surgery.splitting.plan import Plan
from split_surgery.splitting.plan_file import read_plan
from split_surgery.splitting.remarks import Remark, remark_lines
from split_surgery.verification.coverage import coverage
from split_surgery.workspace.inputs import Inputs, NoWeights
from split_surgery.workspace.names import FOLD_FILE, NET_FILE, PLAN_FILE, WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import RunDir, run_dir


@dataclass(frozen=True)
class NetAndWeights:
    """The files that a verb works on, and where they come from.

    Attributes:
        solver, also: the directory's own, where they were not named.
        lineage: SHA-256 of each ancestor's split.yaml (or of the fold.yaml that the chain starts from), the eldest first.
    """

    net: PathLike
    weights: PathLike | None
    solver: PathLike | None
    also: tuple[PathLike, ...]
    lineage: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def need_weights(self) -> PathLike:
        """Raises: UsageError, where none were given and NET is no directory that has them."""
        if self.weights is None:
            raise UsageError(
                "WEIGHTS is missing",
                hint=f"the caffemodel comes behind the net: {for_shell(os.fspath(self.net))} WEIGHTS; "
                "only the directory of a split or a fold stands for both",
            )
        return self.weights


def net_and_weights(
    files: OpenFiles,
    net: PathLike,
    weights: PathLike | None,
    solver: PathLike | None = None,
    also: tuple[PathLike, ...] = (),
    texts_only: bool = False,
) -> NetAndWeights:
    """What NET and WEIGHTS stand for: a directory for its net, its newest snapshot, its solver and its other prototxts.

    Args:
        texts_only: whether the directory need not hold weights.

    Raises:
        UsageError: the directory holds snapshots of several runs.
        FileError: the directory is not one that a verb wrote.
    """
    if weights is None:
        refuse_weights_alone(files, net)
    if not os.path.isdir(net):
        return NetAndWeights(net, weights, solver, also)
    there = run_dir(net)
    if not there.stands_for_a_net:
        if not os.listdir(net):
            raise FileError("is a directory with nothing in it", FilePlace(there.given))
        lacks = f"it has no {PLAN_FILE}, no {FOLD_FILE}, and not both {NET_FILE} and {WEIGHTS_FILE}"
        raise FileError(f"is a directory, and not one that a split, a fold or an edit wrote ({lacks})",
                        FilePlace(there.given), "name the prototxt and the weights in it")  # fmt: skip
    plan = read_plan(there.plan) if there.plan is not None else None
    inside = there.solver is not None and files.prototxt(there.solver).holds_net
    remarks: list[str] = []
    if weights is None:
        weights = there.newest() or there.written if texts_only else there.weights()
        if weights is not None and weights == there.written and plan is not None:  # what was folded may well be trained
            remarks.append(f"{there.given} holds no snapshot: taking {weights.name}, which is untrained")
    return NetAndWeights(
        there.solver if inside and there.solver is not None else Path(net) / NET_FILE,
        weights,
        solver if solver is not None or inside else there.solver,
        (*also, *_others(there, plan, {Path(own).name for own in also})),
        _lineage(there, plan),
        tuple(remarks),
    )


def _lineage(there: RunDir, plan: Plan | None) -> tuple[str, ...]:
    """What a directory comes from; nothing where it was edited, which leaves no record."""
    own = (sha256(read_file(there.made_by)),) if there.made_by is not None else ()
    return (*(plan.lineage if plan is not None else ()), *own)


def refuse_weights_alone(files: OpenFiles, net: PathLike) -> None:
    """Raises: UsageError, where NET, which stands alone, is weights. FileError: it is not there."""
    if not os.path.exists(net):
        raise not_there(os.fspath(net))
    if not os.path.isdir(net) and _is_weights(files, net):
        raise UsageError(f"{os.fspath(net)} is weights; the prototxt goes before it: NET WEIGHTS")


def _is_weights(files: OpenFiles, path: PathLike) -> bool:
    source = files.source(path)
    if is_text(source.read(0, min(FIRST_BYTES, source.size))):
        return False
    try:
        files.weights(path)
    except SurgeryError:  # what else it is, is said where it is read as NET
        return False
    return True


def refuse_own_directory(net: PathLike, output: PathLike, what: str) -> None:
    """Raises: UsageError, where a directory would be written into itself.

    Args:
        what: is done to it, "split" or "folded".
    """
    folder = net if os.path.isdir(net) else Path(net).parent
    if run_dir(folder).stands_for_a_net and same_file(folder, output):
        raise UsageError(f"-o {os.fspath(output)} is the directory that is {what}: choose another")


def _others(there: RunDir, plan: Plan | None, given: Collection[str]) -> list[Path]:
    """The other prototxts that were written into a directory: as the plan says, after a fold or an edit all that are there.

    Args:
        given: names of those that are taken from elsewhere.

    Raises:
        FileError: one of them is not what the split wrote, but what the split was made of.
    """
    if plan is None:
        return [path for path in there.others if path.name not in given]
    found = []
    for file in plan.also:
        path = Path(there.given) / file.name
        if file.name in given:
            continue
        if os.path.isfile(path) and sha256(read_file(path)) == file.sha256:
            message = f"is the {file.name} from before the split (it has the SHA-256 that {PLAN_FILE} says)"
            raise FileError(message, FilePlace(os.fspath(path)), "make the directory again, or give one with --also")
        found.append(path)
    return found


def left_at_random(inputs: Inputs) -> list[str]:
    """What Caffe would start at random, since the weights file has nothing for it: a head, say, that was renamed."""
    if isinstance(inputs.weights, NoWeights):
        return []
    rows = [row for row in coverage(inputs.nets[inputs.trained()], inputs.weights) if row.status != "none"]
    foreign = len(rows) > 1 and all(row.status == "unfilled" for row in rows)
    more = f"; is {inputs.weights.name} of another net?" if foreign else ""
    return remark_lines(Remark(row.detail + more, row.layer) for row in rows if row.status == "unfilled")
