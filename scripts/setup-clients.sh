#!/bin/sh
# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
#
# Creates `.venv-clients` at the root of the repository with the Python packages of
# Tests/EndToEndTests/Python/requirements.txt: the official Kubernetes client and kopf, which the end-to-end tests run
# against a local cluster. Prints the path of its Python. Running it again changes nothing, unless the file changed.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
venv="$root/.venv-clients"
wanted="$root/Tests/EndToEndTests/Python/requirements.txt"

if [ -x "$venv/bin/python" ] && cmp -s "$wanted" "$venv/installed.txt"; then
    echo "$venv/bin/python"
    exit 0
fi
rm -rf "$venv"
if ! python3 -m venv "$venv" >&2 || [ ! -x "$venv/bin/pip" ]; then
    rm -rf "$venv"
    echo "error: python3 can't make virtual environments here; run: sudo apt-get install -y python3 python3-venv" >&2
    exit 1
fi
if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2; then
    echo "error: pip couldn't install $wanted; see above. Behind a proxy, set PIP_INDEX_URL or https_proxy." >&2
    exit 1
fi
cp "$wanted" "$venv/installed.txt"
echo "$venv/bin/python"
