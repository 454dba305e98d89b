"""A solver for a training in a directory of its own: with its net, its seed and its snapshots there.

solver_for.py SOLVER NET SEED DIR
"""

import re
import sys
from pathlib import Path

solver, net, seed, place = sys.argv[1:]
text = Path(solver).read_text()
for name, value in (("net", f'"{net}"'), ("snapshot_prefix", f'"{place}/net"'), ("random_seed", seed)):
    text, count = re.subn(rf"^{name}:.*$", f"{name}: {value}", text, flags=re.MULTILINE)
    if not count:
        text += f"{name}: {value}\n"
Path(place).mkdir(parents=True, exist_ok=True)
Path(place, "solver.prototxt").write_text(text)
