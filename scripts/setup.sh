#!/usr/bin/env bash
# Installs what the build and the demo need and this machine lacks. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "setup: '$*' needs root; run it yourself, then try again" >&2
        exit 1
    fi
}

missing=()
header() { # header PACKAGE FILE: notes the package when the header isn't there
    for folder in /usr/include /usr/include/*-linux-gnu /usr/local/include; do
        [ -e "$folder/$2" ] && return
    done
    missing+=("$1")
}

if ! command -v swift >/dev/null; then
    echo "setup: there is no 'swift' in PATH; install Swift 6.2 or later from https://www.swift.org/install" >&2
    exit 1
fi
if [ "$(uname -s)" = Linux ]; then
    header libcurl4-openssl-dev curl/curl.h
    header libyaml-dev yaml.h
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -gt 0 ]; then
        if ! command -v apt-get >/dev/null; then
            echo "setup: please install (Debian's names): ${missing[*]}" >&2
            exit 1
        fi
        echo "setup: installing ${missing[*]}"
        as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq "${missing[@]}" >/dev/null
    fi
fi
bash scripts/setup-python.sh
