"""Both splits on real nets: the first convolution of each that can be split, with random weights of the right shape."""

from __future__ import annotations

from collections import Counter

import pytest

from split_surgery import extension, residual, verify
from split_surgery.documents.convolution import check_splittable
from split_surgery.documents.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.errors import SurgeryError
from tests.nets import conv_arrays, weights
from tests.test_prototxt import corpus_folders


def first_splittable(net: Net):
    for layer in net.convolutions():
        try:
            geometry = check_splittable(layer)
            net.twins(layer.name)
        except SurgeryError:
            continue
        return layer, geometry
    return None


@pytest.mark.corpus
@pytest.mark.parametrize("folder", corpus_folders(), ids=lambda path: path.name)
def test_real_nets_are_split_or_refused(folder, tmp_path, record_property):
    counts: Counter[str] = Counter()
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        try:
            net = Net(Document(path.read_bytes(), path.name))
        except SurgeryError as error:
            assert error.exit_code in (2, 3)
            counts["not read"] += 1
            continue
        found = first_splittable(net)
        if found is None:
            counts["nothing to split"] += 1
            continue
        layer, geometry = found
        model = tmp_path / f"{number}.caffemodel"
        arrays = conv_arrays(geometry.num_output, 3, *geometry.kernel, bias=geometry.bias_term)
        param = {"num_output": geometry.num_output}
        model.write_bytes(weights([(layer.name, "Convolution", list(layer.bottoms), list(layer.tops), arrays, param)]))
        for verb in (residual, extension):
            out = tmp_path / f"{number}-{verb.__name__}"
            try:
                verb(path, model, out, layer=layer.name, noise=0, as_path="derived")
            except SurgeryError as error:
                assert error.exit_code in (2, 3), f"{path.name}: {error}"
                counts["refused"] += 1
                continue
            report = verify(path, model, out)
            # All other layers are unfilled: the weights hold the one layer only.
            found_wrong = [p for p in report.problems if ": unfilled:" not in p and ": unknown:" not in p]
            assert not found_wrong, f"{path.name}: {found_wrong}"
            assert report.blocks[0].exact == (verb is extension), path.name
            counts[verb.__name__] += 1
    for key, value in counts.items():
        record_property(key, value)
