"""Deliberate faults in folding, each of which the laws must catch: (what, module, the code as it is, the fault)."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """`arithmetic`: whether the fold computes something else then, which its own probe must notice too."""

    what: str
    module: str
    code: str
    fault: str
    arithmetic: bool = True


FAULTS = (
    Fault("wrong centre", "kernels/linear_maps.py", "tap * dilation - pad + into.pad[axis]", "tap * dilation - pad"),
    Fault("transposed reorder", "kernels/linear_maps.py", "rows = np.argmax(matrix, axis=1)", "rows = np.argmax(matrix, axis=0)"),
    Fault("bias of a 1x1 dropped", "kernels/linear_maps.py",
          "product(matrix, inner.bias) + outer.bias", "product(matrix, inner.bias)"),
    Fault("bias before a 1x1 dropped", "kernels/linear_maps.py",
          "product(matrix, inner.bias) + outer.bias", "np.zeros(len(matrix)) + outer.bias"),
    Fault("bias before a kernel seen by one tap", "kernels/linear_maps.py",
          "bias = bias + product(outer.weight", "bias = outer.bias + product(outer.weight"),
    Fault("coefficient ignored", "kernels/linear_maps.py",
          "np.asarray(part.weight, np.float64) * k,", "np.asarray(part.weight, np.float64),"),
    Fault("bottoms of a Concat in reverse", "kernels/linear_maps.py",
          "np.concatenate([p.weight for p in parts])", "np.concatenate([p.weight for p in parts[::-1]])"),
    Fault("stride forgotten", "kernels/linear_maps.py",
          "_times(outer.slide.stride, inner.slide.stride)", "inner.slide.stride"),
    Fault("padding after a bias taken for exact", "kernels/linear_maps.py",
          "if any(outer.slide.pad) and inner.bias.any():", "if False:"),
    Fault("padding after a shift taken for exact", "kernels/linear_maps.py",
          "if any(outer.slide.pad) and inner.shift.any():", "if False:"),
    Fault("groups in the wrong place", "kernels/dense.py",
          "dense[rows, at * width : (at + 1) * width]", "dense[rows, (group - 1 - at) * width : (group - at) * width]"),
    Fault("eps outside the root", "folding/linear.py", "np.sqrt(variance * share + eps)", "(np.sqrt(variance * share) + eps)"),
    Fault("scale factor not divided", "folding/linear.py", "share = 1.0 / factor if factor else 0.0", "share = 1.0"),
    Fault("mean added", "folding/linear.py", "return scale, -mean * share * scale", "return scale, mean * share * scale"),
    Fault("Scale's bias dropped", "folding/linear.py",
          "first.size).astype(np.float64) if rest else None", "first.size).astype(np.float64) if False else None"),
    Fault("transposition forgotten", "folding/linear.py", "matrix = matrix.T if transposed else matrix",
          "matrix = matrix.reshape(matrix.shape[::-1]) if transposed else matrix"),
    Fault("statistics of the batch taken for stored ones", "verbs/fold.py",
          'if trains or layer.type.endswith("Loss"):', "if False:", arithmetic=False),
    Fault("blob read elsewhere", "documents/net/flow.py", "if reader not in group:", "if False:", arithmetic=False),
    Fault("stale records kept", "folding/edits.py",
          'splices = [Splice(*record.span, b"")] if isinstance(record, LayerRecord) else []', "splices = []", arithmetic=False),
    Fault("suffix kept in names of parameters", "documents/edit/layer_edit.py",
          "text.removesuffix(self.unsuffix) + self.suffix", "text + self.suffix", arithmetic=False),
    Fault("bias_term: false kept", "folding/collapse.py", 'drops.append("bias_term")', "pass", arithmetic=False),
    Fault("dilation forgotten", "documents/edit/layer_edit.py",
          '("dilation", "dilation", "dilation", dilation, 1)', '("dilation", "dilation", "dilation", (1, 1), 1)', arithmetic=False),
)  # fmt: skip
