"""What Caffe stops at while it reads and builds a net, whatever the weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from split_surgery.documents.net.flow import flows
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import CONVOLUTIONS, own_blobs
from split_surgery.documents.net.net import LAYERS, Net
from split_surgery.documents.net.shape_rules import Param, Shape, Unknown, axis_of
from split_surgery.documents.net.shapes import Given, Shaped, infer
from split_surgery.documents.prototxt import BOM, Field, FieldValue, Message
from split_surgery.errors import SurgeryError

GIVEN_ONCE = frozenset(
    "accuracy_param across_channels alpha argmax_param axis backend base batch_norm_param batch_size beta bias_filler bias_param "
    "bias_term cache_images channel_shared clip_param concat_dim concat_param contrastive_loss_param convolution_param crop_mode "
    "crop_param crop_size data_param debug_info decay_mult dropout_param dropout_ratio dummy_data_param eltwise_param elu_param "
    "embed_param end_axis engine eps exp_param expose_hidden filler flatten_param force_backward force_color force_encoded_color "
    "force_gray force_nd_im2col global_pooling group hdf5_data_param hdf5_output_param hinge_loss_param ignore_label image_data_param "
    "infogain_loss_param inner_product_param input_param is_color kernel_h kernel_w legacy_version local_size log_param loss_param "
    "lr_mult lrn_param margin max_level mean_file memory_data_param min_level mirror module moving_average_fraction mvn_param name "
    "negative_slope new_height new_width norm_region normalization normalize normalize_variance num_axes num_output operation "
    "out_max_val pad_h pad_w param_str parameter_param phase pool pooling_param power power_param prelu_param python_param "
    "recurrent_param reduction_param relu_param reshape_param root_folder round_mode scale_param share_in_parallel share_mode "
    "shuffle sigmoid_param slice_dim slice_param softmax_param spp_param stable_prod_grad std stride_h stride_w swish_param "
    "tanh_param threshold_param tile_param tiles top_k transform_param transpose type use_global_stats variance_norm weight_filler "
    "window_data_param".split()
)
"""Fields that no message of BVLC Caffe 1.0 has more than one of."""


def build_faults(net: Net, given: Given | None = None) -> list[tuple[str, str]]:
    """The layers, by name, or the file that Caffe stops at, each with why; what the file does not say is taken to fit.

    Args:
        given: shapes of blobs that the prototxt does not say.
    """
    found = [(layer.name, fault) for layer, fault in [*net.unwired(), *shape_faults(net, given)]]
    own = (field for field in net.message.fields if field.name not in LAYERS)
    said = [(Path(net.document.name).name, own), *((layer.name, layer.message.fields) for layer in net.layers)]
    for name, fields in said:
        twice = given_twice(fields)
        if twice is not None:
            found.append((name, f"gives {twice[0]} more than once, which Caffe's parser refuses"))
    for layer in net.layers:
        count, blobs = _rates(layer), own_blobs(layer)
        if blobs is not None and count > blobs:
            found.append((layer.name, f"says how {count} blobs are trained, and has {blobs}, on which Caffe aborts"))
    if net.document.data.startswith(BOM):
        found.append(
            (Path(net.document.name).name, "starts with a byte order mark, which Caffe's parser refuses: remove it")
        )
    return found


def check_given_once(layer: Layer) -> None:
    """Raises: Unsupported, where a layer gives a field again that must not be."""
    twice = given_twice(layer.message.fields)
    if twice is not None:
        layer.refuse(f"gives {twice[0]} more than once, which Caffe refuses", twice[1])


def given_twice(fields: Iterable[Field]) -> tuple[str, FieldValue] | None:
    """Of a message, or of one in it, the first field that is given again and must not be: its name, and the value too many."""
    met: set[str] = set()
    for field in fields:
        if field.name in GIVEN_ONCE and (field.name in met or len(field.values) > 1):
            return field.name, field.values[-1]
        met.add(field.name)
        for value in field.values:
            inside = given_twice(value.fields) if isinstance(value, Message) else None
            if inside is not None:
                return inside
    return None


def _rates(layer: Layer) -> int:
    """For how many blobs a layer says how they are trained."""
    if not layer.v1:
        return sum(1 for _ in layer.message.messages("param"))
    return max(sum(1 for _ in layer.message.scalars(name)) for name in ("blobs_lr", "weight_decay", "param"))


def shape_faults(net: Net, given: Given | None = None) -> list[tuple[Layer, str]]:
    """The layers of a net whose bottoms do not fit, each with why; what the file does not say fits.

    Args:
        given: shapes of blobs that the prototxt does not say.
    """
    found: dict[Layer, str] = {}
    for flow in flows(net):
        for shaped in infer(net, flow.state, given=given):
            try:
                fault = _fault(shaped)
            except (Unknown, SurgeryError):
                continue
            if fault:
                found.setdefault(shaped.layer, fault)
    return list(found.items())


def _fault(shaped: Shaped) -> str:
    layer, shapes = shaped.layer, [shape for shape in shaped.bottoms if shape is not None]
    if layer.type == "Eltwise":
        return _differing(shapes, None)
    if layer.type == "Concat" and shapes:
        param = Param(layer, "concat_param")
        return _differing(shapes, axis_of(param.integer("axis", param.integer("concat_dim", 1)), shapes[0]))
    if layer.type in CONVOLUTIONS:
        geometry = layer.geometry()
        channels = [shape[1] for shape in shapes if len(shape) == 4 and shape[1] is not None]
        if geometry.num_output % geometry.group or any(count % geometry.group for count in channels):
            return f"its channels and outputs are not multiples of its group, {geometry.group}"
    return ""


def _differing(shapes: list[Shape], joined: int | None) -> str:
    """Why bottoms cannot be added, or joined along an axis."""
    for other in shapes[1:]:
        first = shapes[0]
        sizes = [] if len(first) != len(other) else [p for at, p in enumerate(zip(first, other)) if at != joined]
        if len(first) != len(other) or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            return f"its bottoms are of the shapes {_by(first)} and {_by(other)}"
    return ""


def _by(shape: Shape) -> str:
    return "x".join("?" if size is None else str(size) for size in shape)
