"""The same prototxt written otherwise: for laws about meaning."""

from __future__ import annotations

from random import Random

from split_surgery.documents.prototxt import Document, Message, Scalar, quote

RESPELLED = ("plain", "grouped", "lists", "same_name_train_and_test", "unknown_fork_fields", "v1_layers", "single_quotes",
             "net_in_solver", "per_axis_lists", "fillers_on_many_lines", "propagate_down_and_loss_weight")  # fmt: skip
"""Fixtures with something in them that can be written in several ways each."""

GAPS = [" ", "\n", "  # a remark { \n", "\t", "\r\n"]


def respelled(text: bytes, draw: Random) -> bytes:
    """`text` with another layout, other comments, quotes, brackets and spellings of numbers; fields in layers reordered."""
    return rendered(Document(text, "net").root, draw, top=True).encode("utf-8", "surrogateescape")


def rendered(message: Message, draw: Random, top: bool = False) -> str:
    groups: dict[str, list] = {}
    for field in message.fields:
        groups.setdefault("" if top else field.name, []).append(field)  # the order of layers is theirs
    order = draw.sample(list(groups), len(groups))
    parts = []
    for field in (field for name in order for field in groups[name]):
        for value in field.values:
            gap = draw.choice(GAPS)
            if isinstance(value, Message):
                opening, closing = draw.choice(["{}", "<>"])
                parts.append(f"{field.name}{gap}{opening}{rendered(value, draw)}{gap}{closing}")
            else:
                parts.append(f"{field.name}:{gap}{spelled(value, draw)}{draw.choice(['', ';', ','])}")
    return "".join(part + draw.choice(GAPS) for part in parts)


def spelled(value: Scalar, draw: Random) -> str:
    if value.kind == "string":
        mark = draw.choice([b'"', b"'"])
        return quote(value.text, mark).decode("utf-8", "surrogateescape")
    number = value.integer() if value.kind == "number" else None
    if number is not None and number >= 0:
        return draw.choice([str(number), hex(number), f"0{number:o}"])
    if value.kind == "number" and "." in value.text:
        return draw.choice([value.text, f"{float(value.text.rstrip('fF')):.17e}"])
    if value.text in ("true", "false"):
        return draw.choice([value.text, value.text.title(), value.text[0]])
    return value.text
