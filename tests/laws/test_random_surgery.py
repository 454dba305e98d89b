"""Any order of splits, splits of what splits have made, and training ends in a fold that computes the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.linear_nets import run_opencv
from tests.support.random_surgery import IMAGE, RECIPES, Split, Surgery

pytest.importorskip("cv2")

SPLITS = st.builds(
    Split, st.sampled_from(sorted(RECIPES)), st.sampled_from(["1", "25%", "50%"]), st.sampled_from([0.0, 0.01, 0.2]), st.integers(0, 99)
)  # fmt: skip


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()

    @initialize(seed=st.integers(0, 2**20))
    def begin(self, seed: int) -> None:
        self.surgery = Surgery(Path(self.scratch.name), Random(seed))

    @precondition(lambda self: self.surgery.splits < 4)
    @rule(which=st.integers(0, 20), how=SPLITS)
    def split(self, which: int, how: Split) -> None:
        layers = self.surgery.layers()
        self.surgery.split(layers[which % len(layers)], how)

    @rule(seed=st.integers(0, 2**20))
    def train(self, seed: int) -> None:
        self.surgery.train(seed)

    @precondition(lambda self: self.surgery.splits)
    @rule(seed=st.integers(0, 99))
    def fold(self, seed: int) -> None:
        net, weights = self.surgery.fold()
        images = np.random.RandomState(seed).standard_normal(IMAGE)
        (before,), (after,) = (
            run_opencv(*files, images) for files in ((self.surgery.net, self.surgery.weights), (net, weights))
        )
        assert np.abs(after - before).max() <= 1e-4 * max(np.abs(before).max(), 1)

    def teardown(self) -> None:
        self.scratch.cleanup()


TestSurgery = Machine.TestCase
TestSurgery.settings = settings(
    max_examples=15,
    stateful_step_count=6,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def test_the_machine_does_what_it_is_for(tmp_path):
    """One walk by hand: the laws above would hold of a machine that never splits."""
    surgery = Surgery(tmp_path, Random(5))
    assert surgery.layers() == ["c1", "c2"]
    assert surgery.split("c1", Split("residual", "50%", 0.01, 1))
    assert surgery.split("c2", Split("extension", "50%", 0.01, 2))
    new = [name for name in surgery.layers() if name not in ("c1", "c2")]
    assert len(new) >= 6
    assert surgery.split(next(name for name in new if name.endswith("split1")), Split("extension", "1", 0.0, 3))
    surgery.train(4)
    assert surgery.trained
    surgery.fold()
    assert (surgery.splits, surgery.folds) == (3, 1)


@pytest.mark.parametrize("inner", sorted(RECIPES))
@pytest.mark.parametrize("outer", sorted(RECIPES))
def test_a_reorder_layer_that_was_split_before_another_layer(tmp_path, outer, inner):
    """The newest split.yaml does not name it, so its own names must tell that there are two splits, one inside the other."""
    surgery = Surgery(tmp_path, Random(5))
    assert surgery.split("c2", Split(outer, "50%", 0.01, 1))
    assert surgery.split("c2_reorder", Split(inner, "50%", 0.01, 2))
    assert surgery.split("c1", Split("residual", "50%", 0.01, 3))
    surgery.train(4)
    surgery.fold()
