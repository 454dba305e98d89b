"""Layers split one after the other, while the files are edited, and read again, as seldom as can be."""

from __future__ import annotations

from collections.abc import Iterator

from split_surgery.documents.source import Progress, no_progress
from split_surgery.errors import SurgeryError
from split_surgery.splitting.edited_files import edited_files
from split_surgery.splitting.plan import Member
from split_surgery.splitting.ranking.rank_target import SnapshotSearch
from split_surgery.splitting.split_layer import PlannedSplit, Step, plan_split
from split_surgery.workspace.inputs import Inputs


class Together:
    """Splits that are planned beside each other, as long as none touches what another makes or takes away.

    Attributes:
        files: as they were before the splits that are not made yet.
    """

    def __init__(self, files: Inputs) -> None:
        self.files = files
        self._splits: list[PlannedSplit] = []
        self._names: set[str] = set()  # of layers and parameters that these take away or make

    def edited(self) -> Inputs:
        """The files with all splits made.

        Raises:
            SurgeryError: as `edited_files`.
        """
        self.files = edited_files(self.files, self._splits)
        self._splits, self._names = [], set()
        return self.files

    def has(self, name: str) -> bool:
        """Whether a layer of that name is there, and stays when the splits are made."""
        return bool(self.files.net.named(name)) and name not in self._names

    def split(self, step: Step, layer: str, search: SnapshotSearch, progress: Progress = no_progress) -> PlannedSplit:
        """Split one more layer. What cannot be planned beside the others is planned after them, with all that is said of it.

        Raises:
            SurgeryError: as `plan_split` and `edited_files`.
        """
        split = self._beside(step, layer, search, progress) if self._splits else None
        if split is None:
            split = plan_split(self.edited(), step, layer, search, progress)
        self._splits.append(split)
        self._names |= set(self._touched(split))
        return split

    def _beside(self, step: Step, layer: str, search: SnapshotSearch, progress: Progress) -> PlannedSplit | None:
        """The split, where it can be planned in the files as they are."""
        if not self.has(layer):
            return None
        try:
            split = plan_split(self.files, step, layer, search, progress)
        except SurgeryError:
            return None
        return None if self._names.intersection(self._touched(split)) else split

    def _touched(self, split: PlannedSplit) -> Iterator[str]:
        for member in split.plan.members:
            yield member.layer
            yield from member.names.values()
            yield from self._parameters(member)

    def _parameters(self, member: Member) -> Iterator[str]:
        """The names of a layer's parameters, and those that they become."""
        for net in self.files.nets:
            for _, text, _ in (row for layer in net.named(member.layer) for row in layer.param_names()):
                yield text
                yield from (text + name.removeprefix(member.layer) for name in member.names.values())
