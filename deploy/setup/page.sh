#!/bin/sh
# Build the dashboard into streamer/ncs_streamer/web, with the node and npm in the path.
set -eu
cd "$(dirname "$0")/../../clients/dashboard"
if [ ! -e node_modules/.installed ] || [ package-lock.json -nt node_modules/.installed ]; then
    echo "installing the tools of the dashboard"
    npm --silent ci --ignore-scripts --no-audit --no-fund
    touch node_modules/.installed
fi
echo "building the dashboard"
npm --silent run build -- --logLevel warn
# In one go: a server that runs has a page at any time, and keeps the old one if this fails.
web=../../streamer/ncs_streamer/web
rm -rf "$web"
mv dist "$web"
