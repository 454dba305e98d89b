"""The table of Caffe's fields, held to the schema that proves outputs, and to the caffe_pb2 of a real pycaffe."""

from __future__ import annotations

import json
import subprocess

import pytest

from split_surgery.documents.caffe_fields import SCALARS, caffe_fields, enums, messages
from split_surgery.documents.edit.protobuf_schema import MESSAGES
from split_surgery.documents.weights.caffemodel import LAYER, LAYER_V1
from tests.support.paths import SUPPORT

OF_FORKS = {("BlobProto", "raw_data_type"), ("BlobProto", "raw_data")}


def test_every_type_is_one_that_is_known():
    for message in messages():
        for field in caffe_fields(message).values():
            assert field.type in SCALARS or field.type in messages() or field.type in enums(), (message, field)


def test_the_other_tables_say_the_same():
    for message, fields in MESSAGES.items():
        for name, number, often, _ in fields:
            if message in messages() and (message, name) not in OF_FORKS:
                own = caffe_fields(message)[name]
                assert (own.number, own.repeated) == (number, often != "one"), (message, name)
    for message, numbers in (("LayerParameter", LAYER), ("V1LayerParameter", LAYER_V1)):
        assert {name: caffe_fields(message)[name].number for name in numbers} == numbers


@pytest.mark.caffe
def test_real_caffe_has_these_fields(caffe):
    done = subprocess.run([caffe[1], SUPPORT / "caffe_fields.py"], capture_output=True, text=True, check=True)
    there = json.loads(done.stdout)
    for message in messages():
        for name, field in caffe_fields(message).items():
            number, kind, repeated = there["messages"][message][name]
            kind = "V1Type" if kind == "LayerType" else kind
            assert (number, kind, repeated) == field[1:], (message, name)
        others = there["messages"][message].keys() - caffe_fields(message).keys()
        assert others <= ({"layer"} if message == "V1LayerParameter" else set()), message  # V0 layers
    for name, values in enums().items():
        assert {"LayerType" if name == "V1Type" else name: values}.items() <= there["enums"].items(), name
