#!/bin/sh
# Makes the virtual environment $1 with a Python 3.11 or newer that can build extensions.
# The system's Python comes first: where its headers or its venv module are missing and this is a Debian, they are installed.
# Any other python3 on PATH comes second.
set -eu
venv=$1
here=$(dirname "$0")

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

can_build() {
    new_enough "$1" && "$1" -c '
import ensurepip, os, sys, sysconfig, venv
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null
}

found=
if new_enough /usr/bin/python3 && ! can_build /usr/bin/python3; then
    sh "$here/debian_packages.sh" python3-dev python3-venv || true
fi
for python in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
    if can_build "$python"; then
        found=$python
        break
    fi
done
if [ -z "$found" ]; then
    echo "make dev: no Python 3.11 or newer with its headers and its venv module." >&2
    echo "On Debian or Ubuntu: apt-get install python3-dev python3-venv" >&2
    exit 1
fi
if ! command -v gcc >/dev/null && ! command -v cc >/dev/null; then
    echo "make dev: no C compiler. On Debian or Ubuntu: apt-get install gcc" >&2
    exit 1
fi
echo "make dev: $venv is made with $(command -v "$found") ($("$found" -V))"
"$found" -m venv "$venv"
