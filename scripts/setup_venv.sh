#!/usr/bin/env bash
# Makes or reuses a virtual environment and installs vol3d in it.
#   scripts/setup_venv.sh VENV EXTRAS      EXTRAS such as "" or "dev"
# VOL3D_INDEX_URL: another package index for everything.
# VOL3D_TORCH_INDEX_URL: where to look for the CPU build of torch.
set -euo pipefail
venv=$1 extras=${2:-}
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."

sum=$(cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
stamp="$venv/.vol3d-$sum-${extras:-base}"
[ -e "$stamp" ] && exit 0
# the development environment holds everything that the base installation does
[ -z "$extras" ] && [ -e "$venv/.vol3d-$sum-dev" ] && exit 0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "vol3d: got $("$python" --version); expected Python 3.11 or newer. Set PYTHON=python3.11." >&2
  exit 2
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet)
index=()
[ -n "${VOL3D_INDEX_URL:-}" ] && index=(--index-url "$VOL3D_INDEX_URL")
torch_index=("${index[@]}")
[ -n "${VOL3D_TORCH_INDEX_URL:-}" ] && torch_index=(--index-url "$VOL3D_TORCH_INDEX_URL")

if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
  if nvidia-smi -L >/dev/null 2>&1; then
    echo "vol3d: installing torch for the NVIDIA GPU" >&2
    "${pip[@]}" "${index[@]}" -c constraints.txt torch
  elif problem=$("${pip[@]}" "${torch_index[@]}" 'torch==2.13.0+cpu' 2>&1); then
    echo "vol3d: installed the CPU build of torch" >&2
  else
    echo "$problem" | tail -n 1 >&2
    echo "vol3d: no CPU build of torch there; installing the default build, several GB." >&2
    echo "vol3d: VOL3D_TORCH_INDEX_URL names an index that has it (see README)." >&2
    "${pip[@]}" "${index[@]}" -c constraints.txt torch
  fi
fi
echo "vol3d: installing vol3d${extras:+[$extras]}" >&2
"${pip[@]}" "${index[@]}" -c constraints.txt -e ".${extras:+[$extras]}"
rm -f "$venv"/.vol3d-*"-${extras:-base}"
touch "$stamp"
