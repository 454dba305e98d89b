"""`caffe train`, `caffe test` and `caffe time` through pycaffe, for a Caffe that comes without its program (scripts/caffe-from-wheel).

Options have Caffe's names, with one dash or two, and the log on standard error is glog's. What it does not have: GPUs, -stage, -level,
and the snapshot that Caffe's own program takes when it is interrupted. The wheel's BatchNorm neither normalizes by the statistics of a
batch nor stores them, so nets that need them are not trained.
"""

import argparse
import os
import signal
import sys
import time

import caffe
from caffe.proto import caffe_pb2
from google.protobuf import text_format

LEVEL = os.environ.get("GLOG_minloglevel", "0")  # noqa: SIM112 (glog's own spelling)

PHASES = {"TRAIN": caffe.TRAIN, "TEST": caffe.TEST}


def read(path, message):
    with open(path) as file:
        return text_format.Parse(file.read(), message)


def need_batch_statistics(solver, net):
    """The layers of the net in training that normalize by the statistics of a batch."""
    path = solver.train_net or solver.net
    inside = solver.train_net_param if solver.HasField("train_net_param") else solver.net_param
    text = read(path, caffe_pb2.NetParameter()) if path else inside
    there = set(net._layer_names)
    layers = [layer for layer in text.layer if layer.type == "BatchNorm" and layer.name in there]
    return [layer.name for layer in layers if not layer.batch_norm_param.use_global_stats]


def train(given):
    if given.snapshot and given.weights:
        sys.exit("caffe train: give a snapshot to resume from or weights to start from, not both")
    parameters = read(given.solver, caffe_pb2.SolverParameter())
    # Caffe's default is the GPU, which its program takes only where the solver says so itself.
    if parameters.HasField("solver_mode") and parameters.solver_mode == caffe_pb2.SolverParameter.GPU:
        sys.exit(f"caffe train: {given.solver}: solver_mode is GPU, and this Caffe has none: write solver_mode: CPU")
    solver = caffe.get_solver(given.solver)
    unfit = need_batch_statistics(parameters, solver.net)
    if unfit:
        sys.exit(
            f"caffe train: {', '.join(unfit)}: this wheel's BatchNorm does not compute the statistics of a batch, so the net "
            "would not be trained: take Debian's Caffe (SPLIT_SURGERY_CAFFE_BY=debian), or set use_global_stats: true"
        )
    if given.snapshot:
        caffe.log(f"Resuming from {given.snapshot}")
        solver.restore(given.snapshot)
    for path in given.weights.split(",") if given.weights else ():
        caffe.log(f"Finetuning from {path}")
        for net in (solver.net, *solver.test_nets):
            net.copy_from(path)
    caffe.log("Starting Optimization")
    solver.solve()
    caffe.log("Optimization Done.")


def test(given):
    net = caffe.Net(given.model, PHASES[given.phase or "TEST"], weights=given.weights)
    caffe.log(f"Running for {given.iterations} iterations.")
    sums, loss = {}, 0.0
    for batch in range(given.iterations):
        for name, values in net.forward().items():
            for at, value in enumerate(values.flat):
                caffe.log(f"Batch {batch}, {name} = {value:g}")
                sums[name, at] = sums.get((name, at), 0.0) + float(value)
                loss += net.blob_loss_weights[name] * float(value)
    caffe.log(f"Loss: {loss / given.iterations:g}")
    for (name, _), total in sums.items():
        mean, weight = total / given.iterations, net.blob_loss_weights[name]
        caffe.log(f"{name} = {mean:g}" + (f" (* {weight:g} = {weight * mean:g} loss)" if weight else ""))


def measure(given):
    """The verb `time`: Caffe's averages, in milliseconds, by the clock."""
    net = caffe.Net(given.model, PHASES[given.phase or "TRAIN"])
    net.forward()
    net.backward()
    caffe.log("*** Benchmark begins ***")
    caffe.log(f"Testing for {given.iterations} iterations.")
    layers = range(len(net.layers))
    spent = {"forward": [0.0] * len(layers), "backward": [0.0] * len(layers)}
    for _ in range(given.iterations):
        for way, run, order in (("forward", net._forward, layers), ("backward", net._backward, reversed(layers))):
            for at in order:
                began = time.perf_counter()
                run(at, at)
                spent[way][at] += 1000 * (time.perf_counter() - began) / given.iterations
    caffe.log("Average time per layer: ")
    for at, name in enumerate(net._layer_names):
        for way, times in spent.items():
            caffe.log(f"{name:>10}\t{way}: {times[at]:g} ms.")
    forward, backward = (sum(times) for times in spent.values())
    caffe.log(f"Average Forward pass: {forward:g} ms.")
    caffe.log(f"Average Backward pass: {backward:g} ms.")
    caffe.log(f"Average Forward-Backward: {forward + backward:g} ms.")
    caffe.log("*** Benchmark ends ***")


def main():
    parser = argparse.ArgumentParser(prog="caffe", description=__doc__)
    parser.add_argument("-version", "--version", action="version", version=f"caffe version {caffe.__version__}")
    verbs = parser.add_subparsers(metavar="train|test|time", required=True)
    for name, work, options in (
        ("train", train, {"solver": True, "weights": False, "snapshot": False}),
        ("test", test, {"model": True, "weights": True}),
        ("time", measure, {"model": True}),
    ):
        verb = verbs.add_parser(name, allow_abbrev=False)
        verb.set_defaults(work=work)
        for option, needed in options.items():
            verb.add_argument(f"-{option}", f"--{option}", required=needed, metavar="FILE")
        if name != "train":
            verb.add_argument("-iterations", "--iterations", type=int, default=50)
            verb.add_argument("-phase", "--phase", choices=PHASES)
    given = parser.parse_args()
    caffe.init_log(int(LEVEL), True)
    caffe.set_mode_cpu()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python would see it only when the training is over
    given.work(given)


if __name__ == "__main__":
    main()
