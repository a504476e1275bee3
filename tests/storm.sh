#!/usr/bin/env bash
#
# The long count of tests/storm: daemons are killed, stopped and ended, databases restarted, failed over, cut off and filled,
# clocks moved; at the end a table tells what was tried and what went wrong. Needs what tests/run.sh needs (run that first:
# it installs it), and runs unattended:
#
#     tests/storm.sh                      the full counts: many hours
#     USHER_STORM_PART=100 tests/storm.sh a hundredth of them
#     tests/storm.sh kills restarts       only these scenarios, by the names of the files in tests/storm
#
# Each count can be set by itself: USHER_STORM_KILLS, _STOPS, _DRAINS, _DAEMONS, _RESTARTS, _FAILOVERS, _PARTITIONS, _DISKS,
# _CLOCKS, _QUEUE (departures that wait while somebody is blocked), _DEPARTURES (in a wave).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

part=${USHER_STORM_PART:-1}
count() {
    local name=USHER_STORM_$1 full=$2
    if [ -z "${!name:-}" ]; then
        export "$name=$(((full + part - 1) / part))"
    fi
}
# Kills, stops, drains and clocks count for each of the two databases.
count KILLS 5000
count STOPS 200
count DRAINS 200
count DAEMONS 500
count RESTARTS 1000
count FAILOVERS 200
count PARTITIONS 500
count DISKS 200
count CLOCKS 100
export USHER_STORM_QUEUE=${USHER_STORM_QUEUE:-10000}
export USHER_STORM_DEPARTURES=${USHER_STORM_DEPARTURES:-20}

USHER_STORM_TABLE=$(mktemp "${TMPDIR:-/tmp}/usher-storm.XXXXXX")
export USHER_STORM_TABLE
show() {
    echo
    {
        printf 'scenario\ttried\truns\tsteps\tlost\tduplicated\tearly\tlate\tnot as planned\tbroken chains\tseconds\ttimes\n'
        cat "$USHER_STORM_TABLE"
    } | if command -v column >/dev/null; then column -t -s "$(printf '\t')"; else cat; fi
    rm -f "$USHER_STORM_TABLE"
}
trap show EXIT

# Where cargo would build again, it does so first, in full view.
cargo test --locked --test storm --no-run
cargo test --locked --test storm -- --nocapture --test-threads=1 "$@" </dev/null
