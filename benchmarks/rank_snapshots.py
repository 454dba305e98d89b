"""`rank` over 50 snapshots of a VGG-16-sized net: time, memory, and how many of the files' bytes were read.

The snapshots are three files of random weights under 50 names (hard links), so that they take 1.7 GB of disk and not 28.
Fails where memory is above 100 MB, or where more is read than the convolutions and one part in a hundred for the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from measure import HERE, WORK

COUNT, LIMIT = 50, 100

COUNTING = """
import resource, sys
from split_surgery import rank
from split_surgery.documents import source
plain, read = source._pread, []
source._pread = lambda fd, count, at: read.append(count) or plain(fd, count, at)
table = rank(sys.argv[1], sys.argv[2])
scale = 1 if sys.platform == "darwin" else 1024
wanted = 4 * sum(row.weights for row in table.layers)
print(sum(read), wanted, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale, len(table.layers))
"""


def main() -> None:
    WORK.mkdir(exist_ok=True)
    # In a process of its own: a child's peak of memory begins with what its parent had.
    make = """
import sys
from pathlib import Path
import vgg16
folder = Path(sys.argv[1])
vgg16.write_prototxt(folder / "n.prototxt")
for k in (1, 2, 3):
    vgg16.write_caffemodel(folder / f"s_iter_{k}.caffemodel", "vgg16_sized", vgg16.layers(), seed=k)
"""
    subprocess.run([sys.executable, "-c", make, WORK], check=True, cwd=HERE)
    for step in range(4, COUNT + 1):
        os.link(WORK / f"s_iter_{step % 3 + 1}.caffemodel", WORK / f"s_iter_{step}.caffemodel")
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, WORK / "n.prototxt", WORK / f"s_iter_{COUNT}.caffemodel"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    read, wanted, memory, layers = map(int, done.stdout.split())
    size = (WORK / "s_iter_1.caffemodel").stat().st_size
    shutil.rmtree(WORK)
    print(
        f"rank of {layers} convolutions over {COUNT} snapshots of {size / 1e6:.0f} MB: {seconds:.1f} s, "
        f"{memory / 1e6:.0f} MB of memory, {read / 1e6:.0f} MB read"
    )
    print(f"the convolutions' weights are {COUNT * wanted / 1e6:.0f} MB, the files {COUNT * size / 1e6:.0f} MB")
    if memory > LIMIT * 1e6 or read > COUNT * (wanted + size / 100):
        sys.exit("too much memory, or too much read")


if __name__ == "__main__":
    main()
