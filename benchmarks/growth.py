"""A second table: processor seconds of every verb for nets of n, 2n and 4n layers; twice the layers should take twice the time."""

from __future__ import annotations

import shutil

from measure import TINY, WORK, program, written
from verbs import steps

COUNT = 1000


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    found: dict[str, list[float]] = {}
    for times in (1, 2, 4):
        net, weights = written(WORK / f"times{times}", "chain", COUNT * times)
        for name, call in steps(WORK / "out", net, weights, "c1", check=True):
            found.setdefault(name, []).append(call().cpu)
        many = [word for at in range(0, COUNT * times, 10) for word in ("--layer", f"c{at}")]
        out = WORK / f"many{times}"
        for name, arguments in (
            ("split of one in ten", ("residual", net, weights, *many, "-o", out)),
            ("its verify", ("verify", net, weights, out)),
            ("its fold", ("fold", out, "-o", WORK / f"one{times}")),
        ):
            found.setdefault(name, []).append(program(*arguments).cpu)
        bare = written(WORK / f"bare_times{times}", "chain", COUNT * times, "bare")
        found.setdefault("fold --all", []).append(program("fold", *bare, "--all", "-o", WORK / f"folded{times}").cpu)
        for kind, option in (("grouped", "--ungroup"), ("dense", "--to-convolution")):
            pair = written(WORK / f"{kind}{times}", "chain", COUNT * times, kind)
            names = ",".join(f"c{at}" for at in range(COUNT * times))
            run = program("reshape", *pair, option, names, "-o", WORK / f"{kind}_reshaped{times}")
            found.setdefault(f"reshape {option} of all", []).append(run.cpu)
    start = program("show", TINY[0]).cpu
    print(f"processor seconds, of which {start:.2f} are start-up\n")
    print(f"| | {COUNT:,} layers | {2 * COUNT:,} | {4 * COUNT:,} |\n| --- | --- | --- | --- |")
    for name, row in found.items():
        print(f"| {name} | " + " | ".join(f"{seconds:.2f}" for seconds in row) + " |")
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
