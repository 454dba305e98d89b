"""The options of a split: their words, defaults and bounds. One word serves for the flag, the YAML file and the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any

from split_surgery.errors import OptionError, UsageError, nearest, shown
from split_surgery.kernels.fast_count import check_fast
from split_surgery.kernels.orders import ORDERS, Order
from split_surgery.splitting.declared import Declaration, declared
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import EVEN_CENTERS, SKIPS, EvenCenter, SkipKind

if TYPE_CHECKING:
    from split_surgery.documents.source import PathLike  # which --help need not load


@dataclass(frozen=True)
class Settings:
    """What decides a split, beside its inputs: the one declaration of every option.

    A field's name is the argument in the library; with `-` for `_` it is the flag and the key in a config (`as` for as_path).
    """

    layer: tuple[str, ...] = declared(
        (),
        "texts",
        "a layer's name, or several",
        "which layer and kernels",
        "A convolution, or auto:K. Repeatable. [conv1_1]",
        metavar="NAME",
    )
    trust_field: tuple[str, ...] = declared(
        (),
        "texts",
        "a list of field names",
        "which layer and kernels",
        "A fork's field that is linear too. Repeatable.",
        metavar="NAME",
    )
    order: str = declared(
        "tpm",
        "choice",
        "tpm, random or reverse",
        "which layer and kernels",
        "Fast first; the last two are controls. [tpm]",
        choices=ORDERS,
    )
    fast: str = declared(
        "half",
        "count",
        "half, a number or a percentage",
        "which layer and kernels",
        "How many kernels are fast. [half]",
        metavar="half|N|P%",
    )
    snapshots: str | None = declared(
        None,
        "text",
        "a glob",
        "which layer and kernels",
        "What to measure TPM over. [WEIGHTS' own run]",
        metavar="'GLOB'",
    )
    window: str | None = declared(
        None,
        "text",
        "A:B in quotes",
        "which layer and kernels",
        "Only those of iterations A to B, included.",
        metavar="A:B",
    )
    measure: str | None = declared(
        None,
        "text",
        "a measure's name",
        "which layer and kernels",
        "coherence, ratio, update, norm (NOT TPM), tpm.",
        metavar="NAME",
    )
    scores: PathLike | None = declared(
        None,
        "file",
        "a file's name",
        "which layer and kernels",
        "Scores by channel, instead of measuring.",
        metavar="FILE",
    )
    noise: float = declared(
        0.01, "number", "a number", "how new layers start", "Standard deviation of noise on 1x1s. [0.01]"
    )
    seed: int = declared(
        0, "whole number", "a whole number", "how new layers start", "Seed of the noise and of order random. [0]"
    )
    surround: float = declared(
        -0.2,
        "number",
        "a number",
        "how new layers start",
        "residual_pre starts as this times W. [-0.2]",
        recipes=("residual",),
    )
    center: float = declared(
        2.0,
        "number",
        "a number",
        "how new layers start",
        "and this times W is added at its centre. [2.0]",
        recipes=("residual",),
    )
    skip: str = declared(
        "identity",
        "choice",
        "identity or average",
        "how new layers start",
        "Past a stride: one pixel, or mean. [identity]",
        choices=SKIPS,
        recipes=("skip",),
    )
    even_center: str | None = declared(
        None,
        "choice",
        "low, high or both",
        "how new layers start",
        "Where the centre of an even kernel is.",
        choices=EVEN_CENTERS,
        recipes=("residual", "skip"),
    )
    names: tuple[tuple[str, str], ...] = declared(
        (),
        "mapping",
        "a mapping from roles to suffixes",
        "how new layers start",
        "Suffixes of the new layers, by role.",
        flag=False,
    )
    solver: PathLike | None = declared(
        None,
        "file",
        "a file's name",
        "inputs and outputs",
        "The solver that trains NET; written too, into DIR.",
        metavar="FILE",
    )
    solverstate: PathLike | None = declared(
        None,
        "file",
        "a file's name",
        "inputs and outputs",
        "Carry its history over, to resume in mid-schedule.",
        metavar="FILE",
    )
    also: tuple[PathLike, ...] = declared(
        (),
        "files",
        "a list of files",
        "inputs and outputs",
        "Edit this deploy or test prototxt too. Repeatable.",
        metavar="FILE",
    )
    as_path: str | None = declared(
        None,
        "text",
        "a directory's name",
        "inputs and outputs",
        "DIR's name on the machine that trains.",
        metavar="PATH",
    )

    @classmethod
    def made_of(cls, found: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
        """Options of a config, and those that were given, which override them; the rest are the defaults.

        Raises:
            UsageError: a value of the wrong type.
        """
        values, known = dict(found), {item.name: item for item in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise TypeError(f"there is no option {name!r}")
            item = known[name]
            values[name] = item.default if value is None and item.default is None else read_option(item, value, "")
        return cls(**values)


def declaration_of(item: Field[Any]) -> Declaration:
    """The declaration of a field of Settings."""
    found: Declaration = item.metadata["declaration"]
    return found


RUN_WORDS = tuple(item.name for item in fields(Settings) if declaration_of(item).topic == "inputs and outputs")
"""Options of a whole run, which a single layer of it cannot have."""


def word_of(item: Field[Any]) -> str:
    """The word of an option: the flag without its dashes, and the key in YAML."""
    return {"as_path": "as"}.get(item.name, item.name.replace("_", "-"))


def read_option(item: Field[Any], value: Any, where: str) -> Any:
    """A value as its option takes it.

    Raises:
        UsageError: it is of another type.
    """
    read = declaration_of(item).read(value)
    if read is None:
        raise UsageError(f"{where}{word_of(item)} must be {declaration_of(item).words}, not {shown(value)}")
    return read


@dataclass(frozen=True)
class Options:
    """What the user chose for one layer; the words and the meanings of the command line (defaults: Settings)."""

    recipe: str
    order: Order
    fast: str
    noise: float
    surround: float
    center: float
    seed: int
    even_center: EvenCenter | None
    trust_field: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    skip: SkipKind

    @classmethod
    def checked(cls, **values: Any) -> Options:
        """Options of values whose types were read, and whose words are not yet known to be right.

        Raises:
            OptionError: a value that an option cannot have.
        """
        return cls(**values)

    def suffixes(self) -> dict[str, str]:
        """What is put after a layer's name and `_`, by role of the new layer: the role, or what `names` says."""
        return {part.role: part.role for part in RECIPES[self.recipe].parts} | dict(self.names)

    def new_names(self, layer: str) -> dict[str, str]:
        """The names of the layers that a layer becomes, by role."""
        return {role: f"{layer}_{suffix}" for role, suffix in self.suffixes().items()}

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise OptionError("order", f"must be one of {', '.join(ORDERS)}", self.order)
        check_fast(self.fast)
        if self.even_center not in (None, *EVEN_CENTERS):
            raise OptionError("even-center", f"must be one of {', '.join(EVEN_CENTERS)}", self.even_center)
        if self.even_center == "both" and RECIPES[self.recipe].has_skip:
            raise OptionError(
                "even-center", "the skip path takes its input from one pixel: low or high", self.even_center
            )
        if self.skip not in SKIPS:
            raise OptionError("skip", f"must be one of {', '.join(SKIPS)}", self.skip)
        for name in ("noise", "surround", "center"):
            value = getattr(self, name)
            if not abs(value) < 1e30:  # beyond this a float32 weight would overflow; NaN fails it too
                raise OptionError(name, "must be a finite number", value)
        if self.noise < 0:
            raise OptionError("noise", "a standard deviation is not negative", self.noise)
        if self.seed < 0:
            raise OptionError("seed", "must not be negative", self.seed)
        roles = [part.role for part in RECIPES[self.recipe].parts]
        for role, suffix in self.names:
            if role not in roles:
                raise OptionError("names", f"the {self.recipe} split has no {role!r}", hint=nearest(role, roles))
            if not suffix:
                raise OptionError("names", f"{role} must have a suffix")
        found: dict[str, str] = {}
        for role, suffix in self.suffixes().items():
            if suffix in found:
                raise OptionError("names", f"{found[suffix]} and {role} would both be {suffix!r}")
            found[suffix] = role
