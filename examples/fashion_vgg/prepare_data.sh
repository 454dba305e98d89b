#!/usr/bin/env bash
# Make data/train_lmdb and data/test_lmdb from Fashion-MNIST's four idx files.
#
#   ./prepare_data.sh [FOLDER]
#
# FOLDER holds the four .gz files; by default it is the one scripts/get-caffe unpacks from Debian's package
# dataset-fashion-mnist. An LMDB that is already there is left alone.
set -euo pipefail

if [ $# -gt 0 ]; then
  source_dir=$(cd "$1" && pwd)
fi
caffe_root=${SPLIT_SURGERY_CAFFE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/split-surgery/caffe}
caffe=${SPLIT_SURGERY_CAFFE:-$caffe_root/bin/caffe}
# looked up before the cd below, so that a relative path means what the caller meant
bin_dir=$(cd "$(dirname "$caffe")" 2>/dev/null && pwd || true)
cd "$(dirname "$0")"

fail() { printf 'prepare_data.sh: %s\n' "$*" >&2; exit 1; }

if [ -e data/train_lmdb ] && [ -e data/test_lmdb ]; then
  echo "data/train_lmdb and data/test_lmdb are already there"
  exit 0
fi

# convert_mnist_data sits beside caffe, or else on PATH
convert=$bin_dir/convert_mnist_data
if [ ! -x "$convert" ]; then
  convert=$(command -v convert_mnist_data) ||
    fail "no convert_mnist_data beside $caffe or on PATH; run scripts/get-caffe first (the wheel has none), or set SPLIT_SURGERY_CAFFE"
fi

if [ -z "${source_dir:-}" ]; then
  for source_dir in "$caffe_root/usr/share/datasets/fashion-mnist" /usr/share/datasets/fashion-mnist; do
    [ ! -e "$source_dir/train-images-idx3-ubyte.gz" ] || break
  done
fi
[ -e "$source_dir/train-images-idx3-ubyte.gz" ] ||
  fail "no Fashion-MNIST in $source_dir; run scripts/get-caffe, or name its folder as the first argument"

mkdir -p data
work=$(mktemp -d data/tmp.XXXXXX)
trap 'rm -rf "$work"' EXIT

make_lmdb() { # prefix of the idx files, LMDB
  [ ! -e "$2" ] || return 0
  gunzip -c "$source_dir/$1-images-idx3-ubyte.gz" > "$work/images"
  gunzip -c "$source_dir/$1-labels-idx1-ubyte.gz" > "$work/labels"
  "$convert" --backend=lmdb "$work/images" "$work/labels" "$work/lmdb"
  mv "$work/lmdb" "$2" # only a finished LMDB gets its name
}
make_lmdb train data/train_lmdb
make_lmdb t10k data/test_lmdb
