"""Protobuf's own text parser as an oracle for ours, over fields that no schema knows.

A schema is derived from what our parser says a file holds (which fields, and which are messages), handed to protobuf, and
every value that protobuf then reads is compared with ours. A wrong structure, a lost or moved field or a wrong value shows.
"""

from __future__ import annotations

import math
import re
import sys
import warnings

from google.protobuf import descriptor_pb2, descriptor_pool, text_format

from split_surgery.documents.prototxt import Document, Message
from tests.support.caffe_proto import class_of


class Mixed(Exception):
    """One field is used in ways that no schema can express (a message here, a scalar there)."""


def _kind(value):
    if isinstance(value, Message):
        return "message"
    if value.kind == "string":
        return "bytes"
    if value.kind == "number" or re.fullmatch(r"(?i)-?(inf|infinity|nan)f?", value.text):
        return "number"
    return "enum"


class _Schema:
    def __init__(self):
        self.file = descriptor_pb2.FileDescriptorProto(name="derived.proto", package="derived", syntax="proto2")
        self.count = 0

    def message(self, messages):
        """A message type that holds all the fields of `messages`; gives its name."""
        self.count += 1
        name = f"M{self.count}"
        built = self.file.message_type.add(name=name)
        fields = {}
        for message in messages:
            for field in message.fields:
                fields.setdefault(field.name, []).extend(field.values)
        for number, (field, values) in enumerate(fields.items(), 1):
            kinds = {_kind(value) for value in values}
            # Of names that differ in case alone protobuf would make the same JSON name.
            added = built.field.add(name=field, number=number, label=3, json_name=f"field{number}")
            if kinds <= {"message"}:
                added.type, added.type_name = 11, ".derived." + self.message(values)
            elif kinds <= {"bytes"}:
                added.type = 12
            elif kinds <= {"number"} and all(value.integer() is not None for value in values):
                added.type = 3 if min(value.integer() for value in values) < 0 else 4
            elif kinds <= {"number"}:
                if any(re.fullmatch(r"-?\s*0[xX0-7][0-9a-fA-F]*", value.text) for value in values):
                    raise Mixed(field)  # a float cannot be written in hexadecimal or octal
                added.type = 1
            elif kinds <= {"enum"}:
                self.count += 1
                holder = self.file.message_type.add(
                    name=f"H{self.count}"
                )  # enum values share the scope around their enum
                enum = holder.enum_type.add(name="E")
                for index, text in enumerate(dict.fromkeys(value.text for value in values)):
                    enum.value.add(name=text, number=index)
                added.type, added.type_name = 14, f".derived.H{self.count}.E"
            else:
                raise Mixed(field)
        return name


def _value(value):
    if _kind(value) == "bytes":
        return value.text.encode("utf-8", "surrogateescape")
    if _kind(value) == "enum":
        return value.text
    whole = value.integer()
    return (
        whole
        if whole is not None
        else float(value.text.replace(" ", "").rstrip("fF") if "inf" not in value.text.lower() else value.text)
    )


def ours(message: Message):
    """Our reading as plain data: field -> values."""
    tree = {}
    for field in message.fields:
        tree.setdefault(field.name, []).extend(
            ours(value) if isinstance(value, Message) else _value(value) for value in field.values
        )
    return tree


def theirs(message):
    tree = {}
    for field, values in message.ListFields():
        if field.type == 11:
            tree[field.name] = [theirs(value) for value in values]
        elif field.type == 14:
            tree[field.name] = [field.enum_type.values_by_number[value].name for value in values]
        else:
            tree[field.name] = list(values)
    return tree


def agrees(document: Document) -> bool:
    """Whether protobuf reads the document as we do; False where protobuf cannot read it at all.

    Raises:
        AssertionError: it reads something else.
        Mixed: no schema can express the document.
    """
    schema = _Schema()
    root = schema.message([document.root])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema.file)
    message = class_of(pool, f"derived.{root}")()
    data = document.data.removeprefix(
        b"\xef\xbb\xbf"
    )  # Python's parser does not skip a BOM, the C++ one that Caffe uses does
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # unescaped Windows paths: "\\M" is no escape
            text_format.Parse(data, message)
    except (text_format.ParseError, UnicodeDecodeError):
        return False
    assert _same(theirs(message), ours(document.root)), "protobuf reads other values"
    return True


def _same(a, b):
    if isinstance(a, dict):
        filled = {key: value for key, value in b.items() if value}
        return isinstance(b, dict) and a.keys() == filled.keys() and all(_same(a[key], filled[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float):
        if isinstance(b, int) and abs(b) > sys.float_info.max:  # which is infinite as a float
            return a == (math.inf if b > 0 else -math.inf)
        return math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b)) or a == b
    return a == b


__all__ = ["Mixed", "agrees"]
