"""Which process writes the lines of a log: another run that was appended, another thread, or another process at the same time.

Glog says before each line which thread wrote it. One process tests in one thread and trains in one, perhaps the same; so a second
thread at the same task is another process. If the first never writes again, the second is a run that was appended. Otherwise it is a
rank of a training that mpirun started, or another training that writes to the same file. Until that is known the lines are kept back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

LogLine = tuple[bytes, bytes, bytes | None, bytes, bytes]
"""Level, time, fraction of the second, thread, and what is said."""

MOST_WAITING = 1000
"""Lines kept back, at most: mpirun may pass on what each process writes in blocks, which are shorter."""

MOST_DECISIONS = 1000
"""How often lines are kept back in one log. Later new threads belong to the run that is read: a file that names a new thread on each
line is no log, and would take long."""

Task = Literal["train", "test"]
"""What a thread tells of."""


class Verdict(Enum):
    """Whose a line is that another thread wrote."""

    SAME_RUN = "same run"
    ANOTHER_RUN = "another run"
    ANOTHER_PROCESS = "another process"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Writers:
    """The threads of one log.

    Attributes:
        owners: of the run that is read, which thread is at each task. others: threads of processes that write at the same time.
        waiting: lines kept back, from the first one of a thread that nobody knows. most: processes at one time, at most.
    """

    owners: dict[Task, bytes] = field(default_factory=dict)
    others: set[bytes] = field(default_factory=set)
    waiting: list[LogLine] = field(default_factory=list)
    most: int = 1
    _tasks: dict[bytes, set[Task]] = field(default_factory=dict)
    _decisions: int = 0

    def told_by_another(self, line: LogLine, task: Task) -> Verdict:
        """Whose a line is whose thread is not the one known to be at that task. If that is UNKNOWN, the line is kept."""
        thread = line[3]
        if thread in self.others:
            return Verdict.ANOTHER_PROCESS
        if task not in self.owners or thread in self.owners.values() or self._decisions >= MOST_DECISIONS:
            self.owners[task] = thread
            return Verdict.SAME_RUN
        self._decisions += 1
        self._tasks = {thread: {task}}
        self.waiting.append(line)
        return Verdict.UNKNOWN

    def told_meanwhile(self, line: LogLine, task: Task | None) -> Verdict:
        """Keep a line that comes while others are kept back, and say whose those are, if this one shows it."""
        self.waiting.append(line)
        newcomer, thread = self.waiting[0][3], line[3]
        if thread in self.owners.values():
            its_own = {one for one, owner in self.owners.items() if owner == thread}
            self.others |= {one for one, tasks in self._tasks.items() if tasks & its_own}
            self.most = max(self.most, 1 + len(self.others))
            if newcomer in self.others:
                return Verdict.ANOTHER_PROCESS
            # The process is alive, but not at these tasks: the newcomer is another thread of it.
            self.owners.update(dict.fromkeys(self._tasks[newcomer], newcomer))
            return Verdict.SAME_RUN
        if task is not None and thread not in self.others:
            self._tasks.setdefault(thread, set()).add(task)
        return Verdict.ANOTHER_RUN if len(self.waiting) >= MOST_WAITING else Verdict.UNKNOWN

    def take_waiting(self) -> list[LogLine]:
        """The lines that were kept back; none is any longer."""
        lines, self.waiting = self.waiting, []
        return lines

    def forget(self) -> None:
        """A new run starts, of which no thread is known."""
        self.owners.clear()
        self.others.clear()
