"""The one declaration of what `convert` converts to: words of `--to`, and the form of files that they make together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from split_surgery.errors import OptionError, nearest


class FormWord(NamedTuple):
    """A word of `--to`: the aspect of a file that it is about, and a line of help."""

    aspect: str
    help: str


FORMS = {
    "float": FormWord("numbers", "single precision, in BVLC's field `data`"),
    "double": FormWord("numbers", "double precision, in BVLC's field `double_data`"),
    "half": FormWord("numbers", "half precision; in a .caffemodel as raw-half, since BVLC's Caffe has no field for it"),
    "raw-float": FormWord("numbers", "single precision in NVIDIA's field `raw_data`"),
    "raw-double": FormWord("numbers", "double precision in NVIDIA's field `raw_data`"),
    "raw-half": FormWord("numbers", "half precision in NVIDIA's field `raw_data`"),
    "caffemodel": FormWord("container", "protobuf, as in a .caffemodel or .solverstate"),
    "h5": FormWord("container", "HDF5, as in a .caffemodel.h5 or .solverstate.h5"),
    "new": FormWord("layers", "`layer { type: \"Convolution\" }`, in text and weights"),
    "v1": FormWord("layers", "`layers { type: CONVOLUTION }`, in text and weights"),
}  # fmt: skip

SHAPE_FORMS = ("new", "legacy")
"""Values of `--shapes`: a `shape` of any number of axes, or num, channels, height and width."""

MEANT_FORMS = {
    "fp16": "half", "float16": "half", "fp32": "float", "float32": "float", "single": "float", "fp64": "double",
    "float64": "double", "hdf5": "h5", "protobuf": "caffemodel", "binary": "caffemodel", "v2": "new", "layer": "new",
    "layers": "v1", "bvlc": "float", "nvidia": "raw-float", "raw": "raw-float",
}  # fmt: skip
"""What people may type instead."""


@dataclass(frozen=True)
class Form:
    """What files are converted to; "" for an aspect that stays as it is.

    Attributes:
        numbers, container, layers: a word of FORMS. shapes: of SHAPE_FORMS.
    """

    numbers: str = ""
    container: str = ""
    layers: str = ""
    shapes: str = ""

    @property
    def dtype(self) -> str:
        """The precision that is asked for, or ""."""
        return {"half": "<f2", "float": "<f4", "double": "<f8"}.get(self.numbers.removeprefix("raw-"), "")

    @property
    def raw(self) -> bool:
        return self.numbers.startswith("raw-")

    def words(self) -> str:
        """What was asked for, as it may be typed."""
        said = [word for word in (self.numbers, self.container, self.layers) if word]
        return ",".join(said) + (f" --shapes {self.shapes}" if self.shapes else "")


def form_of(to: str | Iterable[str], shapes: str | None = None, container: str = "") -> Form:
    """The form that words name.

    Args:
        to: words, or texts of several with commas between them. container: what the name of the output says already, or "".

    Raises:
        OptionError: a word is unknown, two contradict each other, or there is none.
    """
    form = Form(shapes=shapes or "")
    if shapes not in (None, "", *SHAPE_FORMS):
        raise OptionError("shapes", f"must be {' or '.join(SHAPE_FORMS)}", shapes)
    for word in (word.strip() for text in ([to] if isinstance(to, str) else to) for word in text.split(",")):
        if word not in FORMS:
            meant = MEANT_FORMS.get(word.lower())
            hint = (
                f"did you mean {meant}?" if meant else nearest(word, list(FORMS)).replace("nearest: ", "did you mean ")
            )
            raise OptionError("to", f"is none of {', '.join(FORMS)}", word, hint)
        aspect = FORMS[word].aspect
        there = getattr(form, aspect)
        if there not in ("", word):
            raise OptionError("to", f"contradicts {there}: a file has one form of its {aspect}", word)
        form = replace(form, **{aspect: word})
    if container and form.container not in ("", container):
        raise OptionError("to", f"contradicts the name of the output, which says {container}", form.container)
    form = replace(form, container=form.container or container)
    if form == Form():
        raise OptionError("to", f"say what to convert to: {', '.join(FORMS)}; or --shapes {' or '.join(SHAPE_FORMS)}")
    if form.container == "h5" and form.raw:
        raise OptionError("to", "HDF5 has no raw_data", form.numbers, f"say {form.numbers.removeprefix('raw-')}")
    if form.container == "h5" and form.shapes == "legacy":
        raise OptionError("shapes", "HDF5 has no legacy shapes, which Caffe would not read there", "legacy")
    return form
