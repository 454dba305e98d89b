"""Where Caffe takes the blobs of a layer from: text and weights joined, parameters shared by name included."""

from __future__ import annotations

from collections.abc import Callable

from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.documents.net.layer_types import WITHOUT_BLOBS
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.weights.blobs import Blob, Record, Weights
from split_surgery.errors import FileError, FilePlace, OtherHistory, first_of, nearest


def sharing(net: Net, name: str) -> list[str]:
    """Names of the layers tied to `name` by the names of parameters, directly or through others, itself included.

    In the order of the net, so that the first is the one that owns what they share (Net::AppendParam).
    """
    tied, waiting = {name}, [name]
    while waiting:
        named = {text for layer in net.named(waiting.pop()) for _, text, _ in layer.param_names()}
        found = {other.name for text in named for other, _ in net.parameters[text]} - tied
        tied |= found
        waiting += found
    return [name] if len(tied) == 1 else [n for n in dict.fromkeys(layer.name for layer in net.layers) if n in tied]


def shared_with(net: Net, layer: Layer, index: int, state: State | None = None) -> list[tuple[Layer, int]]:
    """The other layers, and the index there, that have the parameter of that index by name, in one state or in any."""
    return [
        (other, at)
        for mine, text, _ in layer.param_names()
        if mine == index
        for other, at in net.parameters.get(text, ())
        if other.name != layer.name and (state is None or other.in_state(state))
    ]


def blob_of(net: Net, weights: Weights, layer: Layer, index: int, state: State | None = None) -> Blob | None:
    """The blob that Caffe fills a parameter from: the layer's own or that of one that shares it; of several the last in the file."""
    own = weights.named(layer.name)
    if own and own[0].blobs and not own[0].leaves_out_shared and own[0].blob(index) is None:
        return None  # protobuf stores all blobs with each layer, and Caffe wants them all
    found = [
        (record.place, blob)
        for other, at in [(layer, index), *shared_with(net, layer, index, state)]
        for record in weights.named(other.name)
        for blob in [record.blob(at)]
        if blob is not None
    ]
    return max(found, key=lambda row: getattr(row[0], "offset", 0))[1] if found else None


def learnable(net: Net, weights: Weights, trained: Callable[[Layer], bool]) -> list[tuple[Layer, int, Blob]]:
    """The parameters of a net in the order of Caffe's learnable_params, which a solver's history follows.

    A parameter shared by name counts where it is met first; the numbers of blobs are those in the weights.

    Args:
        trained: which of the layers are in the net that is trained.

    Returns:
        Layer, index of the blob in it, and the blob.

    Raises:
        OtherHistory: the weights do not say how many parameters a layer has.
    """
    found: list[tuple[Layer, int, Blob]] = []
    owned: set[str] = set()
    for layer in net.layers:
        if not trained(layer):
            continue
        names = {index: text for index, text, _ in layer.param_names()}
        records = weights.named(layer.name)
        if not records and not names and layer.type not in WITHOUT_BLOBS:
            message = f'says nothing of layer "{layer.name}", so that the number of its parameters is not known'
            raise OtherHistory(message, FilePlace(weights.name))
        counts = [blob.index + 1 for record in records[:1] for blob in record.blobs] + [index + 1 for index in names]
        for index in range(max(counts, default=0)):
            blob = blob_of(net, weights, layer, index)
            name = names.get(index)
            if blob is None or name in owned:
                continue
            found.append((layer, index, blob))
            owned |= {name} if name else set()
    return found


def last_record(weights: Weights, layer: Layer) -> Record | None:
    """The record whose blobs Caffe keeps for a layer: of several the last; or None.

    Raises:
        FileError: it is of another type.
    """
    *_, record = (None, *weights.named(layer.name))
    if record is not None and record.type not in ("", layer.type):
        raise FileError(
            f'layer "{layer.name}" is a {record.type} here and a {layer.type} in the prototxt', record.place
        )
    return record


def own_record(weights: Weights, layer: Layer) -> Record | None:
    """The one record of a layer, which can be replaced; or None.

    Raises:
        FileError: there are several, or it is of another type.
    """
    records = weights.named(layer.name)
    if len(records) > 1:
        raise FileError(f'has {len(records)} layers "{layer.name}"', FilePlace(weights.name))
    return last_record(weights, layer)


def needed_record(weights: Weights, layer: Layer) -> Record:
    """The one record of a layer.

    Raises:
        FileError: there is none, there are several, or it is of another type.
    """
    record = own_record(weights, layer)
    if record is None:
        message = f'has no layer "{layer.name}" (which {layer.place()} defines)'
        raise FileError(message, FilePlace(weights.name), nearest(layer.name, [one.name for one in weights.layers]))
    return record


def convolution_blobs(net: Net, weights: Weights, layer: Layer, geometry: Geometry) -> tuple[Blob, ...]:
    """The weight and, where it has one, the bias of a convolution or Deconvolution, which must agree with the prototxt.

    Raises:
        FileError: one is missing, there are too many, or the shapes differ.
    """
    record = last_record(weights, layer)
    expected = 2 if geometry.bias_term else 1
    bias = "with" if geometry.bias_term else "without"
    if record is not None and len(record.blobs) > expected:
        message = f'layer "{layer.name}" has {len(record.blobs)} blobs, but {bias} bias it has {expected}'
        raise FileError(message, record.place)
    found = [blob_of(net, weights, layer, index) for index in range(expected)]
    blobs = tuple(blob for blob in found if blob is not None)
    if len(blobs) < expected and record is None:
        names = [one.name for one in weights.layers if one.blobs]
        raise FileError(
            f'has no layer "{layer.name}" (which {layer.place()} defines)', FilePlace(weights.name),
            f"it holds {first_of(names, 12) or 'no layers'}: is it of another net? split-surgery verify NET WEIGHTS lists all",
        )  # fmt: skip
    if len(blobs) < expected and record is not None:
        message = f'layer "{layer.name}" has {len(blobs)} blobs, but {bias} bias it has {expected}'
        raise FileError(message, record.place)
    weight, turned = blobs[0], layer.type == "Deconvolution"  # its weight has the channels first
    outputs = geometry.num_output // geometry.group if turned else geometry.num_output
    if len(weight.shape) != 4 or weight.shape[int(turned)] != outputs or weight.shape[2:] != geometry.kernel:
        ends = f"channels, {outputs}" if turned else f"{outputs}, channels"
        wanted = f"({ends}, {geometry.kernel[0]}, {geometry.kernel[1]})"
        message = f'layer "{layer.name}" has weights of shape {weight.shape}, but the prototxt asks for {wanted}'
        raise FileError(message, weight.place())
    for blob in blobs[1:]:
        if blob.shape[-1:] != (geometry.num_output,) or blob.count != geometry.num_output:
            message = f'layer "{layer.name}" has a bias of shape {blob.shape} for {geometry.num_output} kernels'
            raise FileError(message, blob.place())
    return blobs
