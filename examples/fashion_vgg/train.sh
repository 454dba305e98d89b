#!/usr/bin/env bash
# Train the net from scratch. Writes train.log and snapshots/fashion_vgg_iter_N.{caffemodel,solverstate}.
set -euo pipefail

caffe_root=${SPLIT_SURGERY_CAFFE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/split-surgery/caffe}
caffe=${SPLIT_SURGERY_CAFFE:-$caffe_root/bin/caffe}
case $caffe in
  /*) ;;
  */*) caffe=$PWD/$caffe ;; # relative to the caller's folder
  *) caffe=$(command -v "$caffe") || { echo "train.sh: no $caffe on PATH" >&2; exit 1; } ;;
esac
export SPLIT_SURGERY_CAFFE=$caffe
cd "$(dirname "$0")"

[ -x "$caffe" ] || {
  echo "train.sh: no Caffe at $caffe; run scripts/get-caffe first, or set SPLIT_SURGERY_CAFFE" >&2
  exit 1
}

./prepare_data.sh
mkdir -p snapshots
"$caffe" train --solver=solver.prototxt 2>&1 | tee train.log

# the net of the last iteration is the trained net
max_iter=$(sed -n 's/^max_iter: *\([0-9]*\).*/\1/p' solver.prototxt)
cp "snapshots/fashion_vgg_iter_$max_iter.caffemodel" fashion_vgg.caffemodel
