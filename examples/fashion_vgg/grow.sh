#!/usr/bin/env bash
# Grow the trained net: split conv1_1 both ways, train each derived net, and train the unsplit net just as long (control).
# Writes derived1/ (residual), derived1_old/ (extension/reorder) and control/, each with its train.log.
set -euo pipefail
cd "$(dirname "$0")"

caffe=${SPLIT_SURGERY_CAFFE:-${SPLIT_SURGERY_CAFFE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/split-surgery/caffe}/bin/caffe}
# The command of this checkout where `make` has installed it, else the one on the PATH.
split_surgery=../../.venv/bin/split-surgery
[ -x "$split_surgery" ] || split_surgery=split-surgery
baseline=(train_val.prototxt fashion_vgg.caffemodel --snapshots 'snapshots/fashion_vgg_iter_*.caffemodel')

./prepare_data.sh

train() { # directory, weights
  "$caffe" train --solver "$1/solver.prototxt" --weights "$2" 2>&1 | tee "$1/train.log"
}

"$split_surgery" residual "${baseline[@]}" --solver solver_grow.prototxt -o derived1
train derived1 derived1/net.caffemodel

"$split_surgery" extension "${baseline[@]}" --solver solver_grow.prototxt -o derived1_old
train derived1_old derived1_old/net.caffemodel

mkdir -p control
sed 's|snapshots/grow|control/grow|' solver_grow.prototxt > control/solver.prototxt
train control fashion_vgg.caffemodel
