#!/usr/bin/env bash
# What a net of a directory says of each test image.
#   predict.sh DIR trained|folded|start|untrained OUT.npy CAFFE_PYTHON...
set -euo pipefail
place=$1 what=$2 out=$3
python=("${@:4}")
here=$(cd "$(dirname "$0")" && pwd)
net=$place/net.prototxt weights=$place/trained.caffemodel fillers=
[ -e "$net" ] || net=$(sed -n 's/^ *net: *"\(.*\)".*/\1/p' "$place/solver.prototxt")
case $what in
  folded) net=$place/folded/net.prototxt weights=$place/folded/net.caffemodel ;;
  start) weights=$place/net.caffemodel ;;
  untrained) weights=$place/net.caffemodel fillers="residual_pre residual_post" ;;
esac
images=$(sed -n 's/^ *test_iter: *\([0-9]*\).*/\1/p' "$place/solver.prototxt")
# shellcheck disable=SC2086
GLOG_minloglevel=2 "${python[@]}" "$here/predict.py" "$net" "$weights" "$images" "$out" $fillers
