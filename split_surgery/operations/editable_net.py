"""A prototxt that is edited as its text: comments, order, quotes, line ends and a fork's fields stay."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping

from split_surgery.documents.net.net import TRAIN_NETS, Prototxt
from split_surgery.documents.source import PathLike, read_file, same_file
from split_surgery.errors import Defect, FileError, FilePlace, UsageError, first_of, nearest, shown
from split_surgery.operations.editable_layer import PHASES, EditableLayer
from split_surgery.operations.layer_texts import LayerTexts
from split_surgery.operations.new_layers import AddedLayers
from split_surgery.operations.removed_layer import readers_of
from split_surgery.workspace.output_dir import Output, OutputDir
from split_surgery.workspace.outputs import text_diff


class EditableNet(LayerTexts):
    """A prototxt, of a net or of a solver, and its layers.

    `get`, `set`, `add` and `delete` are for the fields outside the layers (`name`, `input_dim`, a solver's `base_lr`); those of a
    layer are the layer's own. `str` and `bytes` give the text as it is now.
    """

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data, name)
        self._was = data

    def __str__(self) -> str:
        return bytes(self).decode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"<{self.path}: {len(self._layers)} layers>"

    @property
    def layers(self) -> tuple[EditableLayer, ...]:
        """All layers in the order of the file; of a solver those of the nets inside it."""
        return tuple(self._layers)

    def layers_of(self, *types: str, phase: str | None = None) -> tuple[EditableLayer, ...]:
        """The layers of these types (of all, if none is named) that a phase's net can have."""
        _check_phase(phase)
        return tuple(
            one for one in self._layers if (not types or one.type in types) and (phase is None or phase in one.phases)
        )

    def layer(self, name: str, phase: str | None = None) -> EditableLayer:
        """The layer of a name; of several, as those for TRAIN and for TEST, the one of a phase.

        Raises:
            UsageError: there is none, or several.
        """
        _check_phase(phase)
        named = [one for one in self._layers if one.name == name]
        found = [one for one in named if phase is None or phase in one.phases]
        if not named:
            raise UsageError(f'no layer "{name}" in {self.path}', hint=nearest(name, self._names()))
        if not found:
            raise UsageError(f'"{name}" is not in phase {phase}', named[0].place)
        if len(found) > 1:
            apart = [phase for phase in PHASES if sum(phase in one.phases for one in found) == 1]
            hint = " or ".join(f'phase="{phase}"' for phase in apart) if phase is None else ""
            message = f'{len(found)} layers are named "{name}"; the first is at {found[0].place}'
            raise UsageError(message, found[1].place, hint or "take the one that is meant from `layers`")
        return found[0]

    def add_after(
        self, where: str | EditableLayer, new: AddedLayers, *, phase: str | None = None, fork: bool = False
    ) -> tuple[EditableLayer, ...]:
        """Add layers behind another one, in its indent, quotes and line ends. Their order in the file is that in which Caffe runs them.

        Args:
            where: the other layer, or its name.
            new: the text of one or several layers, or one layer's fields as a dict.
            fork: a field that BVLC Caffe 1.0 does not know is meant.

        Raises:
            UsageError, FileError: it is no layer, or not in the form that the net has (`layer`, or V1 `layers`).
        """
        return self._put_behind(self._meant(where, phase), new, fork)

    def add_before(
        self, where: str | EditableLayer, new: AddedLayers, *, phase: str | None = None, fork: bool = False
    ) -> tuple[EditableLayer, ...]:
        """Add layers before another one, and above the comments that stand just above it; see `add_after`."""
        return self._put_before(self._meant(where, phase), new, fork)

    def append(self, new: AddedLayers, *, fork: bool = False) -> tuple[EditableLayer, ...]:
        """Add layers at the end of the net; of a solver with nets inside, of the one that it trains. See `add_after`."""
        if self._layers:
            trained = next((title for title in TRAIN_NETS if any(one.inside == title for one in self._layers)), "")
            last = [one for one in self._layers if one.inside == trained][-1:]
            if not last:
                raise UsageError(f"{self.path} has test nets only; use add_after")
            return self._put_behind(last[0], new, fork)
        if self._is_solver:
            raise UsageError(f"{self.path} is a solver, and holds no net")
        return self._put_into_empty(new, fork)

    def remove(
        self, layer: str | EditableLayer, *, phase: str | None = None, reconnect: bool = True
    ) -> tuple[str, ...]:
        """Remove a layer; layers that read its top read its bottom instead.

        After a layer in place nothing else changes: its readers find the blob of the same name that was made before it.

        Args:
            layer: it, or its name.
            reconnect: False leaves the readers as they are, whatever they then lack.

        Returns:
            The names of the layers that read something else now.

        Raises:
            UsageError: it is read, and has not the one bottom that could stand for its top; its readers are named.
        """
        one = self._meant(layer, phase)
        changed = self._reconnect(one) if reconnect else ()
        self._take_out(one)
        return changed

    def rename(self, old: str, new: str, *, layers: bool = True, blobs: bool = True) -> None:
        """Give the layers and the blobs of a name another one, wherever it stands; names of parameters (`param { name }`) stay.

        Args:
            layers, blobs: False leaves those as they are.

        Raises:
            UsageError: nothing has the old name, or something has the new one already.
        """
        self.rename_all({old: new} if layers else {}, {old: new} if blobs else {}, either=True)

    def rename_all(self, layers: Mapping[str, str], blobs: Mapping[str, str], *, either: bool = False) -> None:
        """Give layers and blobs other names, all at once, so that two can exchange theirs.

        Args:
            either: whether a name need only be that of a layer or of a blob.

        Raises:
            UsageError: nothing has an old name, or two would have one.
        """
        own = self._names(), self.blobs()
        kinds = ((layers, own[0], "layer"), (blobs, own[1], "blob"))
        for (mapping, names, what), (elsewhere, others, _) in zip(kinds, reversed(kinds)):
            for old in mapping:
                if old not in names and not (either and old in elsewhere and old in others):
                    if either and old in elsewhere:
                        what = "layer and no blob"
                    raise UsageError(f'no {what} "{old}" in {self.path}', hint=nearest(old, list(names)))
            after = Counter(mapping.get(name, name) for name in names)
            for old, new in mapping.items():
                if not new:
                    raise UsageError(f'a {what} without a name: "{old}" would be one')
                if after[new] > 1 and old in names and old != new:
                    raise UsageError(f'"{old}" cannot become "{new}": another {what} would have that name too')
        with self._at_once():
            for path, blob in list(self._inputs):
                if blob in blobs:
                    self.set(path, blobs[blob])
            for one in self._layers:
                if one.name in layers:
                    one.set("name", layers[one.name])
                for field, there in (("bottom", one.bottoms), ("top", one.tops)):
                    for at, blob in enumerate(there):
                        if blob in blobs:
                            one.set(f"{field}[{at}]", blobs[blob])

    def blobs(self) -> list[str]:
        """The names of all blobs, in the order in which they appear."""
        declared = (blob for _, blob in self._inputs)
        return list(dict.fromkeys([*declared, *(blob for one in self._layers for blob in (*one.bottoms, *one.tops))]))

    def faults(self) -> list[str]:
        """What would stop Caffe from wiring the net, with its places; an empty list is a net that it can wire."""
        nets = Prototxt(self._document).nets
        return [f'{layer.place()}: layer "{layer.name}" {fault}' for net in nets for layer, fault in net.unwired()]

    def diff(self) -> str:
        """A unified diff between the file and the text as it is now."""
        return text_diff(self._was, bytes(self), self.path, f"{self.path} (edited)")

    def save(self, path: PathLike | None = None) -> None:
        """Write the text: complete or not at all. Without changes it is the same bytes.

        Args:
            path: where to; None is the file that was opened.

        Raises:
            FileError: it cannot be written, or the file that was opened has changed since.
        """
        target = os.path.realpath(self.path if path is None else path)
        data = bytes(self)
        again = EditableNet(data, self.path)
        if [one.text for one in again.layers] != [one.text for one in self._layers]:
            raise Defect("the text as it would be written has other layers than were edited")
        own = same_file(target, self.path)
        if own and read_file(target) != self._was:
            raise FileError(
                "was changed since it was opened", FilePlace(self.path), "open it again, or save to another path"
            )
        OutputDir(os.path.dirname(target)).replace([Output(os.path.basename(target), [data])])
        if own or path is None:
            self._was = data

    def _reconnect(self, removed: EditableLayer) -> tuple[str, ...]:
        """Let the readers of a layer read its bottom."""
        net = [one for one in self._layers if one.inside == removed.inside]
        readers = readers_of([one.read for one in net], removed.read, [blob for _, blob in self._inputs])
        if readers.lost:
            names = first_of([f'"{layer.name}"' for layer in readers.lost], 8)
            hint = "remove those first, set their bottoms, or leave them: reconnect=False"
            raise UsageError(f'"{removed.name}" {readers.why}, and its top is read by {names}', removed.place, hint)
        by_layer = {one.read: one for one in net}
        handles = [(by_layer[layer], blobs) for layer, blobs in readers.reconnected.items()]
        for one, blobs in handles:
            for at, blob in enumerate(one.bottoms):
                if blob in blobs:
                    one.set(f"bottom[{at}]", blobs[blob])
        return tuple(one.name for one, _ in handles)

    def _meant(self, layer: str | EditableLayer, phase: str | None) -> EditableLayer:
        """A layer of this net that was given as it is, or by its name."""
        if not isinstance(layer, EditableLayer):
            return self.layer(layer, phase)
        if not any(one is layer for one in self._layers):
            raise UsageError(f'layer "{layer.name}" is none of {self.path}, or was removed from it')
        return layer

    def _names(self) -> list[str]:
        return list(dict.fromkeys(one.name for one in self._layers))


def _check_phase(phase: str | None) -> None:
    if phase not in (None, *PHASES):
        raise UsageError(f"a phase is TRAIN or TEST, not {shown(phase)}")
