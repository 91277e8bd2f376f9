#!/bin/sh
# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
#
# Creates `.venv` at the root of the repository and installs one package there: `onnxruntime`, whose wheel carries the
# shared library `libonnxruntime.so` that `modelfleet-server` opens at run time. No Python code runs afterwards.
# Running it again changes nothing. To use a library of your own instead, set MODELFLEET_ONNXRUNTIME to its file.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
venv="$root/.venv"

library() {
    # Prints the shared library's path; fails where there is none.
    for file in "$venv"/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime*.so* \
        "$venv"/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime*.dylib; do
        case "$file" in
        *providers*) ;;
        *) if [ -f "$file" ]; then echo "$file" && return 0; fi ;;
        esac
    done
    return 1
}

if [ -n "${MODELFLEET_ONNXRUNTIME:-}" ] && [ -f "$MODELFLEET_ONNXRUNTIME" ]; then
    echo "ONNX Runtime: $MODELFLEET_ONNXRUNTIME (from MODELFLEET_ONNXRUNTIME)"
    exit 0
fi
if found=$(library); then
    echo "ONNX Runtime: $found"
    exit 0
fi

# Runs a command as root; fails where that isn't possible without a question.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"; else return 1; fi
}

make_venv() {
    rm -rf "$venv"
    python3 -m venv "$venv" 2>/dev/null && [ -x "$venv/bin/pip" ]
}

if ! make_venv; then
    echo "python3 can't make virtual environments here; installing python3-venv"
    if ! command -v apt-get >/dev/null 2>&1 || ! { as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv; }; then
        echo "error: Python's venv module is missing; run: sudo apt-get install -y python3 python3-venv" >&2
        exit 1
    fi
    if ! make_venv; then
        echo "error: 'python3 -m venv $venv' failed; run it by hand to see why" >&2
        exit 1
    fi
fi

echo "Installing ONNX Runtime into $venv (about 20 MB)"
# Without its Python dependencies: only the shared library is used.
if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps 'onnxruntime>=1.17'; then
    echo "error: pip couldn't install onnxruntime; see above. Behind a proxy, set PIP_INDEX_URL or https_proxy." >&2
    exit 1
fi
if ! found=$(library); then
    echo "error: the onnxruntime wheel holds no shared library for this machine; set MODELFLEET_ONNXRUNTIME" >&2
    exit 1
fi
echo "ONNX Runtime: $found"
