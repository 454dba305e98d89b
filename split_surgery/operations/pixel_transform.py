"""What a data layer does to pixels before the net reads them: `transform_param` as scale * (pixel - mean)."""

from __future__ import annotations

from dataclasses import dataclass

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.v1 import IMAGE_MESSAGES

UNTOUCHED = frozenset("DummyData HDF5Data Input Parameter".split())
"""Sources that give their numbers as they are: Caffe takes no heed of a `transform_param` there, or refuses it."""


@dataclass(frozen=True)
class Transform:
    """scale * (pixel - mean), in the order of Caffe's DataTransformer. mean: none for 0, one for all channels, or one for each."""

    mean: tuple[float, ...] = ()
    scale: float = 1.0

    def means(self, channels: int) -> tuple[float, ...]:
        """One mean for each channel."""
        return self.mean if len(self.mean) == channels else (self.mean or (0.0,))[:1] * channels

    def same_as(self, other: Transform, channels: int) -> bool:
        return (self.means(channels), self.scale) == (other.means(channels), other.scale)

    @property
    def said(self) -> str:
        """As words: "mean 104, 117, 123 and scale 0.017"."""
        mean = "mean " + ", ".join(f"{value:g}" for value in self.mean) if any(self.mean) else ""
        scale = f"scale {self.scale:g}" if self.scale != 1 else ""
        return " and ".join(filter(None, (mean, scale)))


def transform_of(layer: Layer, channels: int) -> Transform | None:
    """What a source does to its pixels; None where it gives numbers as they are.

    Raises:
        Unsupported: it takes a mean from a file, or says this in a way that Caffe reads only after an upgrade.
        FileError: its means are neither one nor one for each channel.
    """
    if layer.type in UNTOUCHED:
        return None
    own = IMAGE_MESSAGES.get(layer.type, "")
    old = [
        field
        for message in layer.message.messages(own)
        for field in message.fields
        if field.name in ("scale", "mean_file")
    ]
    if own and old:
        layer.refuse(
            f"says {old[0].name} in {own}, as nets before transform_param do",
            old[0],
            "upgrade the net first: split-surgery convert NET --to new",
        )
    files = [value for message in layer.message.messages("transform_param") for value in message.scalars("mean_file")]
    if files:
        layer.refuse(
            f'takes the mean of each pixel from "{files[0].text}", of which there is none for each channel',
            files[0],
            "give it mean_value instead, and train or test it again",
        )
    mean = _numbers(layer, "mean_value")
    if len(mean) not in (0, 1, channels):
        layer.fail(f"has {len(mean)} mean values for {channels} channels, which Caffe refuses")
    scale = _numbers(layer, "scale")
    return Transform(mean, *scale[-1:])


def _numbers(layer: Layer, name: str) -> tuple[float, ...]:
    messages = layer.message.messages("transform_param")
    return tuple(layer.real(value) for message in messages for value in message.scalars(name))
