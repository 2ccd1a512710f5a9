#!/bin/sh
# Make the virtual environment .venv with a Python of at least 3.11.
set -eu
folder=${1:-.venv}

find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "NCS needs Python 3.11 or newer; none of python3, python3.14 .. 3.11 is one." >&2
    exit 1
}

python=$(find_python)
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian and Ubuntu ship the venv module in a package of its own.
    sh "$(dirname "$0")/system-parts.sh" "$python-venv"
fi
"$python" -m venv "$folder"
echo "made $folder with $("$folder/bin/python" --version)"
