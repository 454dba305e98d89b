"""Layers and blobs of a net under other names, in all its prototxts and its weights together; proven before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from split_surgery.documents.edit.record_names import rename_splices, with_splits
from split_surgery.documents.edit.rename_proof import prove_renamed
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.prototxt import Document, Message, Scalar
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.hdf5 import Hdf5Weights, name_fault
from split_surgery.errors import Defect, FilePlace, OptionError, UsageError, nearest, shown
from split_surgery.operations.editable_net import EditableNet
from split_surgery.workspace.inputs import Inputs


@dataclass(frozen=True)
class Renames:
    """New names by old ones, of those layers and blobs that there are."""

    layers: Mapping[str, str]
    blobs: Mapping[str, str]


def renames_of(inputs: Inputs, names: Mapping[str, str], prefix: str | None, only: str | None) -> Renames:
    """What is renamed.

    Args:
        names: new names by old ones, of layers and of blobs. prefix: is taken from all names that begin with it.
        only: "layers" or "blobs".

    Raises:
        UsageError: nothing has an old name, or a prefix leaves nothing of a name.
    """
    there = _layer_names(inputs), _blob_names(inputs)
    chosen = [{}, {}] if prefix is None else [_stripped(own, prefix) for own in there]
    for kind, own, found in zip(("layers", "blobs"), there, chosen):
        if only in (None, kind):
            found.update({old: new for old, new in names.items() if old in own and old != new})
        else:
            found.clear()
    for old in names:
        looked = [own for kind, own in zip(("layers", "blobs"), there) if only in (None, kind)]
        if not any(old in own for own in looked):
            known = list(dict.fromkeys(name for own in looked for name in own))
            raise UsageError(f'nothing is called "{old}" in {inputs.main.document.name}', hint=nearest(old, known))
    if names and prefix is None and not any(chosen):
        old = next(iter(names))
        raise UsageError(f'nothing is to be renamed: "{old}" has that name already')
    if prefix is not None and not any(chosen):
        raise OptionError("strip-prefix", "no layer and no blob begins with it", prefix)
    return Renames(*chosen)


def _stripped(names: Iterable[str], prefix: str) -> dict[str, str]:
    if not prefix:
        raise OptionError("strip-prefix", "is empty")
    if prefix in names:
        raise OptionError("strip-prefix", f'is the whole name of "{prefix}", of which nothing would be left')
    return {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def _layer_names(inputs: Inputs) -> dict[str, None]:
    layers = [layer.name for net in inputs.nets for layer in net.layers]
    records = [record.name for record in inputs.weights.layers if record.type != "Split"]
    return dict.fromkeys([*layers, *records])


def _blob_names(inputs: Inputs) -> dict[str, None]:
    found = [blob for net in inputs.nets for blob in net.inputs()]
    found += [blob for net in inputs.nets for layer in net.layers for blob in (*layer.bottoms, *layer.tops)]
    records = [record for record in inputs.weights.layers if record.type != "Split"]
    return dict.fromkeys([*found, *(blob for record in records for blob in (*record.bottoms, *record.tops))])


def renamed_files(inputs: Inputs, renames: Renames) -> Inputs:
    """The files with their layers and blobs renamed.

    Raises:
        UsageError: two layers or blobs that are told apart would have one name.
        Defect: what would be written says something else than was meant.
    """
    texts = [_renamed_text(text, renames) for text in inputs.texts]
    return inputs.edited(texts, _renamed_weights(inputs.weights, renames))


def _renamed_text(text: Prototxt, renames: Renames) -> Prototxt:
    net = EditableNet(text.document.data, text.document.name)
    own, blobs = {one.name for one in net.layers}, set(net.blobs())
    net.rename_all(
        {old: new for old, new in renames.layers.items() if old in own},
        {old: new for old, new in renames.blobs.items() if old in blobs},
    )
    edited = Prototxt(Document(bytes(net), text.document.name))
    if _meaning(text, renames.layers, renames.blobs) != _meaning(edited, {}, {}):
        raise Defect(f"the renamed {text.document.name} says something else than was meant")
    return edited


def _meaning(text: Prototxt, layers: Mapping[str, str], blobs: Mapping[str, str]) -> object:
    """All that a prototxt says, as it is spelled, with names of layers and blobs replaced."""
    named = {
        id(layer.message): {"name": {layer.name: layers.get(layer.name, layer.name)}, "bottom": blobs, "top": blobs}
        for net in text.nets
        for layer in net.layers
    }
    named |= {id(net.message): {"input": blobs} for net in text.nets}

    def said(message: Message) -> list[object]:
        own = named.get(id(message), {})
        return [
            (field.name, [value_of(value, own.get(field.name)) for value in field.values]) for field in message.fields
        ]

    def value_of(value: Scalar | Message, names: Mapping[str, str] | None) -> object:
        if isinstance(value, Message):
            return said(value)
        return value.raw if names is None else names.get(value.text, value.text)

    return said(text.document.root)


def _renamed_weights(weights: Weights, renames: Renames) -> Weights:
    _refuse_collisions(weights, renames.layers)
    if isinstance(weights, Hdf5Weights):
        wrong = next((new for old, new in renames.layers.items() if name_fault(new) and weights.named(old)), None)
        if wrong is not None:
            hint = "`split-surgery rename` on a .caffemodel takes it"
            message = f"no layer can be named {shown(wrong)} in it: {name_fault(wrong)}"
            raise UsageError(message, FilePlace(weights.name), hint)
        return weights.renamed(renames.layers)
    if not isinstance(weights, Caffemodel):
        return weights
    names = with_splits(weights, renames.layers, renames.blobs)
    splices = rename_splices(weights, names)
    edited = Caffemodel(weights.rope.spliced(splices)) if splices else weights
    if len(edited.layers) != len(weights.layers):
        raise Defect(f"the renamed weights hold {len(edited.layers)} records instead of {len(weights.layers)}")
    for old, new in zip(weights.layers, edited.layers):
        prove_renamed(old, new, names)
    return edited


def _refuse_collisions(weights: Weights, layers: Mapping[str, str]) -> None:
    """Raises: UsageError, where a record would get the name that another one has."""
    names = dict.fromkeys(record.name for record in weights.layers)
    after = Counter(layers.get(name, name) for name in names)
    for old, new in layers.items():
        if old in names and after[new] > 1:
            raise UsageError(f'"{old}" cannot become "{new}": {weights.name} has a layer of that name')
