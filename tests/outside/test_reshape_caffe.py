"""What `reshape` makes, in real Caffe: it loads, computes the same, and its convolutions take larger images."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import reshape
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.kernels.image_changes import Color, Gray, Swapped, Unshifted
from split_surgery.operations.image_layers import images_of
from tests.support.architectures import ARCHITECTURES, shrunk
from tests.support.paths import CORPUS, EXAMPLE, SHARED
from tests.support.reshaped import fc_net, grouped_net
from tests.support.run_caffe import in_caffe

pytestmark = pytest.mark.caffe


def hold_against_caffe(caffe, folder, cases):
    """Outputs of each net, and of the one without InnerProducts and groups; gives how many layers those were."""
    tasks, pairs, done = [], [], 0
    for at, (net, model, shape) in enumerate(cases):
        text = Net(Document(net.read_bytes(), net.name))
        names = tuple(layer.name for layer in text.layers if layer.type == "InnerProduct")
        grouped = tuple(layer.name for layer in text.convolutions() if layer.geometry().group > 1)
        outputs = [layer.tops[0] for layer in text.layers if layer.name in (*names, *grouped)][-1:]
        report = reshape(net, model, folder / f"full{at}", to_convolution=names, ungroup=grouped)
        done += len(report.layers) + len(report.ungrouped)
        inputs = folder / f"inputs{at}.npz"
        np.savez(inputs, data=np.random.RandomState(at).standard_normal(shape).astype(np.float32))
        for name, files in (
            ("was", (net, model)),
            ("now", [folder / f"full{at}" / one for one in ("net.prototxt", "net.caffemodel")]),
        ):
            out = folder / f"{name}{at}.npz"
            tasks.append({"net": files[0], "weights": files[1], "inputs": inputs, "blobs": outputs, "out": out})
        pairs.append((folder / f"was{at}.npz", folder / f"now{at}.npz"))
    in_caffe(caffe, tasks)
    for was, now in pairs:
        old, new = np.load(was)["blob_0"], np.load(now)["blob_0"]
        assert new.shape == (*old.shape, 1, 1)[:4]
        np.testing.assert_allclose(new.reshape(old.shape), old, rtol=1e-4, atol=1e-4 * np.abs(old).max())
        assert np.abs(old).max() > 0
    return done


def test_the_example_and_v1(tmp_path, caffe):
    cases = [(EXAMPLE / "deploy.prototxt", EXAMPLE / "fashion_vgg.caffemodel", (1, 1, 28, 28))]
    for at, options in enumerate(
        ({"v1": True, "legacy": True}, {"legacy": True, "layout": "one line"}, {"layout": "comment"})
    ):
        folder = tmp_path / f"net{at}"
        folder.mkdir()
        cases.append((*fc_net(shape=(2, 3, 4), **options).write(folder), (1, 2, 3, 4)))
    assert hold_against_caffe(caffe, tmp_path, cases) == 7


def test_larger_images(tmp_path, caffe):
    """A map of what the net says of each window: the same as the old net says of that window alone."""
    net = fc_net(shape=(2, 3, 3))
    old, model = net.write(tmp_path)
    reshape(old, model, tmp_path / "full", to_convolution="fc6,fc7")
    large, windows = tmp_path / "large.prototxt", tmp_path / "windows.prototxt"
    sizes = "input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 3"
    text = (tmp_path / "full" / "net.prototxt").read_text()
    large.write_text(text.replace(sizes, "input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 6"))
    windows.write_text(net.text.decode().replace("input_dim: 1", "input_dim: 12", 1))
    image = np.random.RandomState(1).standard_normal((1, 2, 5, 6)).astype(np.float32)
    parts = [image[0, :, y : y + 3, x : x + 3] for y in range(3) for x in range(4)]
    np.savez(tmp_path / "image.npz", data=image)
    np.savez(tmp_path / "parts.npz", data=np.stack(parts))
    made = tmp_path / "full" / "net.caffemodel"
    rows = (large, made, "image", "map"), (windows, model, "parts", "each")
    in_caffe(
        caffe,
        [
            {"net": a, "weights": b, "inputs": tmp_path / f"{c}.npz", "blobs": ["prob"], "out": tmp_path / f"{d}.npz"}
            for a, b, c, d in rows
        ],
    )
    found, each = (np.load(tmp_path / f"{name}.npz")["blob_0"] for name in ("map", "each"))
    assert found.shape == (1, 4, 3, 4)
    np.testing.assert_allclose(found[0].reshape(4, 12).T, each, rtol=1e-4, atol=1e-6)
    assert np.ptp(each[:, 0]) > 0.01


def test_groups_as_layers(tmp_path, caffe):
    """Bit for bit: Caffe multiplies each group by itself."""
    tasks, inputs = [], tmp_path / "inputs.npz"
    np.savez(inputs, data=np.random.RandomState(1).standard_normal((2, 4, 6, 6)).astype(np.float32))
    for at, options in enumerate(({}, {"v1": True, "legacy": True})):
        folder = tmp_path / str(at)
        folder.mkdir()
        net, model, _ = grouped_net(folder, **options)
        net.write_text(net.read_text().replace("input_dim: 1", "input_dim: 2"))
        reshape(net, model, folder / "parts", ungroup="conv")
        made = [folder / "parts" / f"net.{end}" for end in ("prototxt", "caffemodel")]
        for name, files in (("was", (net, model)), ("now", made)):
            out = folder / f"{name}.npz"
            tasks.append({"net": files[0], "weights": files[1], "inputs": inputs, "blobs": ["conv"], "out": out})
    in_caffe(caffe, tasks)
    for at in range(2):
        old, new = (np.load(tmp_path / str(at) / f"{name}.npz")["blob_0"] for name in ("was", "now"))
        assert old.shape == (2, 8, 6, 6)
        assert new.tobytes() == old.tobytes()
        assert np.abs(old).max() > 0


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("first", "last", "nets", "layers"),
    [(0, 9, 7, 13), pytest.param(13, 22, 6, 30, marks=pytest.mark.whole_corpus)],
)
def test_real_architectures(first, last, nets, layers, tmp_path, caffe):
    cases, tasks = [], []
    for at, name in enumerate(ARCHITECTURES[first:last]):
        folder = tmp_path / str(at)
        folder.mkdir()
        source = CORPUS / f"{name}.prototxt"
        run = shrunk(Net(Document(source.read_bytes(), source.name)))
        net, model = folder / "net.prototxt", folder / "net.caffemodel"
        net.write_bytes(run.text)
        text = Net(Document(run.text, "net.prototxt"))
        grouped = any(layer.geometry().group > 1 for layer in text.convolutions())
        if not grouped and not any(layer.type == "InnerProduct" for layer in text.layers):
            continue
        tasks.append({"net": net, "save": model})
        cases.append((net, model, run.inputs["data"]))
    in_caffe(caffe, tasks)
    assert len(cases) >= nets
    assert hold_against_caffe(caffe, tmp_path, cases) >= layers


@pytest.mark.corpus
def test_real_trained_nets(tmp_path, caffe):
    models = SHARED / "models"
    cases = [
        (models / "lenet" / "mnist_deploy.prototxt", models / "lenet" / "lenet_iter_10000.caffemodel", (1, 1, 28, 28)),
    ]
    assert hold_against_caffe(caffe, tmp_path, cases) == 2


def changed(kind, folder, net, model):
    """The net for images of another kind, and the change that says which old image a new one stands for."""
    words = {"raw": {"raw_pixels": True, "mean": (104, 117, 123), "scale": 0.05}}.get(kind, {"channels": kind})
    report = reshape(net, model, folder, **words)
    change = {"gray": Gray(), "color": Color(), "swapped": Swapped(), "raw": Unshifted((104, 117, 123), 0.05)}[kind]
    assert report.images[0].channels == (change.before, change.after)
    return report.images[0], change


def hold_images_against_caffe(caffe, folder, cases):
    """Each net on old images, and the changed one on the new images that they stand for.

    Args:
        cases: the files, shape of an image and kind of change.

    Returns:
        What was changed, in order.
    """
    tasks, found = [], []
    for at, (net, model, (_, *size), kind) in enumerate(cases):
        images, change = changed(kind, folder / f"now{at}", net, model)
        found.append(images)
        text = Net(Document(net.read_bytes(), net.name))
        (top,) = text.named(images.layers[0])[0].tops
        new = np.random.RandomState(at).uniform(0, 255, (change.after, *size)).astype(np.float32)
        made = [folder / f"now{at}" / one for one in ("net.prototxt", "net.caffemodel")]
        for name, files, image in (("was", (net, model), change.old_image(new)), ("is", made, new)):
            inputs, out = folder / f"{name}_in{at}.npz", folder / f"{name}{at}.npz"
            np.savez(inputs, **{images.blob: image[None].astype(np.float32)})
            tasks.append(
                {
                    "net": files[0],
                    "weights": files[1],
                    "inputs": inputs,
                    "blobs": [top, text.layers[-1].tops[0]],
                    "out": out,
                }
            )
    in_caffe(caffe, tasks)
    for at, case in enumerate(cases):
        for blob in ("blob_0", "blob_1"):
            old, new = (np.load(folder / f"{name}{at}.npz")[blob] for name in ("was", "is"))
            np.testing.assert_allclose(new, old, rtol=1e-3, atol=2e-4 * np.abs(old).max(), err_msg=f"{case} {blob}")
            assert np.abs(old).max() > 0
    return found


def test_other_images_of_the_example(tmp_path, caffe):
    cases = [(EXAMPLE / "deploy.prototxt", EXAMPLE / "fashion_vgg.caffemodel", (1, 28, 28), "color")]
    hold_images_against_caffe(caffe, tmp_path, cases)


@pytest.mark.corpus
def test_other_images_of_real_architectures(tmp_path, caffe):
    """Kinds in turn; where a pad stands before the first convolution a layer takes the mean, else the convolution does."""
    cases, tasks = [], []
    for at, name in enumerate(ARCHITECTURES):
        folder = tmp_path / str(at)
        folder.mkdir()
        source = CORPUS / f"{name}.prototxt"
        run = shrunk(Net(Document(source.read_bytes(), source.name)))
        net, model = folder / "net.prototxt", folder / "net.caffemodel"
        images = images_of(Net(Document(run.text, "net.prototxt"))) if list(run.inputs) == ["data"] else None
        if images is None or images.blob != "data" or run.inputs["data"][1] != 3:
            continue
        net.write_bytes(run.text)
        tasks.append({"net": net, "save": model})
        cases.append((net, model, run.inputs["data"][1:], ("raw", "gray", "raw", "swapped")[len(cases) % 4]))
        if len(cases) == 12:
            break
    in_caffe(caffe, tasks)
    assert len(cases) >= 12
    found = hold_images_against_caffe(caffe, tmp_path, cases)
    raw = [one.added for one in found if one.change == "raw"]
    assert len(raw) == 6
    assert 0 < len(list(filter(None, raw))) < 6
