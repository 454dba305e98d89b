#!/usr/bin/env bash
# From a baseline to derived1..N: split, train, split what was trained, and so on, in both flows.
#
#   examples/chain.sh NET WEIGHTS SOLVER OUT [N]      (N: 3 unless given)
#
# Makes OUT/residual/derived1..N and OUT/extension/derived1..N, each with its train.log. It may be stopped at any time and run
# again: what is done is left as it is ("unchanged"), and a training that was cut short goes on from its newest solver state.
# It stops with a message where a training fails. The first split is of conv1_1 (LAYER=... names another), those after it of
# the layer of highest TPM entropy. SNAPSHOTS='GLOB' names the baseline's snapshots, where they are neither beside WEIGHTS nor in a
# folder "snapshots" there nor where SOLVER keeps them. SOLVER's snapshot interval must leave at least two snapshots in max_iter iterations.
set -euo pipefail

if [ $# -lt 4 ]; then
  sed -n '2,4p' "$0" >&2
  exit 2
fi
net=$1 weights=$2 solver=$3 out=$4 last=${5:-3}
caffe=${SPLIT_SURGERY_CAFFE:-${SPLIT_SURGERY_CAFFE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/split-surgery/caffe}/bin/caffe}
split_surgery=${SPLIT_SURGERY:-split-surgery}
max_iter=$(sed -n 's/^ *max_iter: *\([0-9]*\).*/\1/p' "$solver")
[ -n "$max_iter" ] || { echo "chain.sh: $solver has no max_iter" >&2; exit 2; }

newest() { # directory, kind: the newest snapshot of that kind, protobuf or HDF5, or nothing
  { ls "$1"/*_iter_*."$2" "$1"/*_iter_*."$2".h5 2>/dev/null || true; } | sed 's/\(.*_iter_\)\([0-9]*\)\(\..*\)/\2 &/' | sort -n | tail -n 1 | cut -d' ' -f2-
}

train() { # directory
  local done_already state
  done_already=$(newest "$1" caffemodel)
  case $done_already in *_iter_"$max_iter".caffemodel | *_iter_"$max_iter".caffemodel.h5) echo "$1: trained already"; return ;; esac
  state=$(newest "$1" solverstate)
  if [ -n "$state" ]; then
    set -- "$1" --snapshot "$state"
  else
    set -- "$1" --weights "$(ls "$1"/net.caffemodel "$1"/net.caffemodel.h5 2>/dev/null | head -n 1)"
  fi
  if ! "$caffe" train --solver "$1/solver.prototxt" "${@:2}" >>"$1/train.log" 2>&1; then
    echo "chain.sh: training in $1 failed; errors at the end of $1/train.log:" >&2
    { grep -E '^[EF][0-9]{4} |ERROR' "$1/train.log" || tail -n 5 "$1/train.log"; } | tail -n 5 >&2
    exit 1
  fi
  echo "$1: trained to iteration $max_iter"
}

for flow in residual extension; do
  mkdir -p "$out/$flow"
  "$split_surgery" "$flow" "$net" "$weights" --solver "$solver" --layer "${LAYER:-conv1_1}" ${SNAPSHOTS:+--snapshots "$SNAPSHOTS"} \
    -o "$out/$flow/derived1" -q
  train "$out/$flow/derived1"
  for ((k = 2; k <= last; k++)); do
    "$split_surgery" "$flow" "$out/$flow/derived$((k - 1))" --layer auto -o "$out/$flow/derived$k" -q
    train "$out/$flow/derived$k"
  done
done
