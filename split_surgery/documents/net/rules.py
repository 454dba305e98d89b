"""Caffe's states and rules: which layers a net has in which phase, level and stage."""

from __future__ import annotations

from dataclasses import dataclass

from split_surgery.documents.prototxt import Message


@dataclass(frozen=True)
class State:
    """Caffe's NetState: what include and exclude rules are held against."""

    phase: str
    level: int = 0
    stages: frozenset[str] = frozenset()

    @property
    def said(self) -> str:
        """The state in words."""
        words = [f"in phase {self.phase}", *([f"level {self.level}"] if self.level else [])]
        return ", ".join([*words, *(f"stage {stage}" for stage in sorted(self.stages))])


@dataclass(frozen=True)
class Rule:
    """Caffe's NetStateRule."""

    phase: str | None
    min_level: int | None
    max_level: int | None
    stages: frozenset[str]
    not_stages: frozenset[str]

    def meets(self, state: State) -> bool:
        """As Net::StateMeetsRule of Caffe's net.cpp."""
        return (
            self.phase in (None, state.phase)
            and (self.min_level is None or state.level >= self.min_level)
            and (self.max_level is None or state.level <= self.max_level)
            and self.stages <= state.stages
            and not self.not_stages & state.stages
        )


def rule_of(message: Message) -> Rule:
    def level(name: str) -> int | None:
        found = message.scalars(name)
        return found[-1].integer() if found else None

    phase = message.text("phase")
    return Rule(
        phase={"0": "TRAIN", "1": "TEST"}.get(phase, phase) if phase else None,
        min_level=level("min_level"),
        max_level=level("max_level"),
        stages=frozenset(value.text for value in message.scalars("stage")),
        not_stages=frozenset(value.text for value in message.scalars("not_stage")),
    )
