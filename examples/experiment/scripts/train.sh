#!/usr/bin/env bash
# Train what is in a directory to the end of its solver's schedule; a training that was cut short goes on from its newest solver state.
#   train.sh DIR CAFFE...
set -euo pipefail
place=$1
caffe=("${@:2}")
max_iter=$(sed -n 's/^ *max_iter: *\([0-9]*\).*/\1/p' "$place/solver.prototxt")
prefix=$place/$(basename "$(sed -n 's/^ *snapshot_prefix: *"\(.*\)".*/\1/p' "$place/solver.prototxt")")
last=${prefix}_iter_$max_iter.caffemodel

if [ ! -e "$last" ]; then
  state=$({ ls "$prefix"_iter_*.solverstate 2>/dev/null || true; } | sed 's/.*_iter_\([0-9]*\)\..*/\1 &/' | sort -n | tail -n 1 | cut -d' ' -f2-)
  start=()
  if [ -n "$state" ]; then
    start=(--snapshot "$state")
  else
    rm -f "$place/train.log" # what it says was not kept by a snapshot
    if [ -e "$place/net.solverstate" ]; then # split in mid-training, with the solver's history
      start=(--snapshot "$place/net.solverstate")
    elif [ -e "$place/net.caffemodel" ]; then
      start=(--weights "$place/net.caffemodel")
    fi
  fi
  if ! "${caffe[@]}" train --solver "$place/solver.prototxt" ${start[@]+"${start[@]}"} >> "$place/train.log" 2>&1; then
    echo "$place: the training failed; the end of its log:" >&2
    tail -n 15 "$place/train.log" >&2
    exit 1
  fi
fi
cp "$last" "$place/trained.caffemodel.part"
mv "$place/trained.caffemodel.part" "$place/trained.caffemodel" # whole, or not there
