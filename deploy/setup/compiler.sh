#!/bin/sh
# See that C extensions can be built for a Python: compiler and headers.
set -eu
python=$1
here=$(dirname "$0")
command -v "${CC:-cc}" >/dev/null 2>&1 || sh "$here/system-parts.sh" gcc libc6-dev
headers='import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
"$python" -c "$headers" || sh "$here/system-parts.sh" python3-dev
