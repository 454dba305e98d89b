"""Caffe's logs as tests write them."""

from __future__ import annotations

from split_surgery.reporting.logs.caffe_log import read_logs


def only_log(text, name="train.log"):
    """The one log that a text holds, as it is read."""
    (log,) = read_logs(text.encode().splitlines(keepends=True), name)
    return log


def log_line(second, text, place="solver.cpp:1", level="I", hour=1):
    """A line as glog writes it."""
    return f"{level}0101 {hour:02}:00:{second:02}.000000 1 {place}] {text}\n"


def write_log(folder, values, iterations=(0, 100, 200)):
    """A log of a training that was tested at these iterations, with these accuracies."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"I0101 00:00:{10 + at:02}.000000 1 s.cpp:1] Iteration {iteration}, Testing net (#0)\n"
        f"I0101 00:00:{11 + at:02}.000000 1 s.cpp:1]     Test net output #0: accuracy = {value}\n"
        for at, (iteration, value) in enumerate(zip(iterations, values))
    ]
    (folder / "train.log").write_text("".join(lines) + "I0101 00:00:30.000000 1 s.cpp:1] Optimization Done.\n")


def caffe_test_log(accuracy, batch_size, iterations):
    """What `caffe test` says of a net, shortened."""
    batches = "".join(log_line(5, f"Batch {at}, accuracy = {accuracy}") for at in range(iterations))
    return (
        log_line(1, "Use CPU.") + log_line(2, "Initializing net from parameters: ")
        + f"state {{\n  phase: TEST\n}}\nlayer {{\n  data_param {{\n    batch_size: {batch_size}\n  }}\n}}\n"
        + log_line(3, "Creating layer data") + log_line(4, f"Running for {iterations} iterations.") + batches
        + log_line(6, "Loss: 0.1") + log_line(6, f"accuracy = {accuracy}") + log_line(6, "loss = 0.1 (* 1 = 0.1 loss)")
    )  # fmt: skip
