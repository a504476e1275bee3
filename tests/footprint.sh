#!/usr/bin/env bash
#
# What the daemon costs while nothing is due: size of the release binary, time to be ready on an existing database,
# memory, and CPU over a while (20 seconds, or as many as the first argument says). Prints the figures beside their
# limits; exit code 1 when one is over.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-20}
cargo build --release --quiet </dev/null
usher=${CARGO_TARGET_DIR:-target}/release/usher
usher=$(realpath "$usher")
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-footprint.XXXXXX")
daemon=''
finish() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    [ -z "$daemon" ] || wait "$daemon" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

cd "$work"
"$usher" init . >/dev/null
"$usher" people import people.csv >/dev/null 2>&1
export USHER__SERVE__LISTEN=127.0.0.1:$((20000 + RANDOM % 12000)) USHER_LOG=usher=info
"$usher" serve 2>serve.log &
daemon=$!
for _ in $(seq 100); do
    grep -q 'ready in' serve.log && break
    sleep 0.1
done
ready=$(grep -o 'ready in [0-9]*' serve.log | grep -o '[0-9]*')
# What is due at once (the company has a late departure) is not idling.
sleep 3
ticks() { awk '{ print $14 + $15 }' "/proc/$daemon/stat"; }
before=$(ticks)
sleep "$seconds"
after=$(ticks)
permille=$(((after - before) * 1000 / ($(getconf CLK_TCK) * seconds)))
resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")
binary=$(stat -c %s "$usher")

bad=0
figure() { # name, value, limit, unit
    printf '%-28s %8s %s (limit %s)\n' "$1" "$2" "$4" "$3"
    [ "$2" -lt "$3" ] || bad=1
}
figure 'release binary' "$((binary / 1024))" 40960 KiB
figure 'ready on an existing database' "$ready" 300 ms
figure 'resident memory, idle' "$resident" 40960 KiB
figure 'CPU of one core, idle' "$permille" 10 permille
exit "$bad"
