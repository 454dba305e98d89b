#!/usr/bin/env bash
# One step of an arm, up to its training: a split of the step before, or for `continue` nothing but the same weights.
#   step.sh ARM STEP SEED PLACE NET GROW_SOLVER LAYERS PYTHON SPLIT_SURGERY...
set -euo pipefail
arm=$1 step=$2 seed=$3 place=$4 net=$5 solver=$6 layers=$7 python=$8
split_surgery=("${@:9}")
here=$(cd "$(dirname "$0")" && pwd)
out=$place/$arm/derived$step

previous=$place/baseline
[ "$step" = 1 ] || previous=$place/$arm/derived$((step - 1))
if [ "$arm" = continue ]; then
  mkdir -p "$out"
  cp "$previous/trained.caffemodel" "$out/net.caffemodel"
  "$python" "$here/solver_for.py" "$solver" "$net" "$((seed * 100 + 1))" "$out"
  exit
fi
read -r -a names <<< "$layers"
verb=${arm%%-*} order=()
[ "$arm" = "$verb" ] || order=(--order "${arm#*-}")
if [ "$step" = 1 ]; then
  "$python" "$here/solver_for.py" "$solver" "$net" "$((seed * 100 + 1))" "$place/$arm"
  from=("$net" "$previous/trained.caffemodel" --solver "$place/$arm/solver.prototxt" --snapshots "$previous/net_iter_*.caffemodel")
else
  from=("$previous")
fi
# shellcheck disable=SC2086
"${split_surgery[@]}" "$verb" "${from[@]}" --layer "${names[step - 1]}" --seed "$seed" ${order[@]+"${order[@]}"} -o "$out" -q
