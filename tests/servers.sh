#!/usr/bin/env bash
#
# Installs the servers of tests/servers.txt into a Python environment of their own: tests/servers.sh DIR
#
# What is there already stays as long as servers.txt has not changed. The tests of the connectors look for the programs in
# the folder that USHER_TEST_SERVERS names (DIR/bin), else in `test-servers` in cargo's target directory.
# Needs Python 3 with its module venv (Debian: apt-get install python3-venv).
set -euo pipefail

list="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/servers.txt"
dir=${1:?"usage: tests/servers.sh DIR"}
kept="$dir/servers.txt"

# Written last, so that an installation that was cut begins anew.
if cmp -s "$list" "$kept"; then
    exit 0
fi
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
if ! python3 -m venv "$dir"; then
    rm -rf "$dir"
    echo "tests/servers.sh: python3 cannot make an environment. Debian, Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
fi
"$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$list"
# Each of them says by itself whether anything is missing that it needs.
"$dir/bin/pip" check --disable-pip-version-check
cp "$list" "$kept"
