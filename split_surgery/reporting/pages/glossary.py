"""What the words of a page mean, for who was sent it alone; docs/glossary.md says the same of these, and has more."""

from __future__ import annotations

from split_surgery.reporting.pages.parts import Section
from split_surgery.reporting.tables import Table

GLOSSARY = {
    "TPM": "a score of kernels by the method's author: how purposefully a kernel moved during training. No formula of it is published.",
    "coherence": "the measure that is our reading of TPM: net displacement over path length, in [0, 1].",
    "fast, slow": "the two groups of a layer's kernels: of high TPM and of low TPM.",
    "evidence": "what a ranking rests on: snapshots, a solver state, scores, or the weights alone.",
    "entropy": "of a layer's scores over ten bins: whether training told its kernels apart.",
    "drift": "by how much the folded block differs from the baseline's layer: relative weight change.",
    "drop": "in an accuracy table, the final accuracy of the net that was split less the accuracy at the start of the derived one.",
}


def glossary() -> Section:
    """The last section of every page."""
    return Section("Glossary", (Table("", ("", ""), tuple(GLOSSARY.items())),))
