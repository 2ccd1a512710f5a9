#!/bin/sh
# See that Debian packages are there: install them when root, else say how.
set -eu
missing=""
for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || command -v "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/tmp/ncs-apt.log 2>&1; then
        tail -5 /tmp/ncs-apt.log >&2
        exit 1
    fi
else
    echo "Missing system parts. Install them with: sudo apt-get install$missing" >&2
    exit 1
fi
