#!/usr/bin/env bash
#
# What it costs to take in HR's file: rows a second and the peak of memory (VmHWM) for 10,000, 100,000 and 1,000,000
# people, or for the numbers given as arguments. Prints the figures beside their limits; exit code 1 when one is over.
#
#   tests/import.sh                       a release build, all three sizes
#   USHER=path/to/usher tests/import.sh 10000 100000
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${USHER:-}" ]; then
    cargo build --release --quiet </dev/null
    USHER=${CARGO_TARGET_DIR:-target}/release/usher
fi
usher=$(realpath "$USHER")
sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(10000 100000 1000000)
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-import.XXXXXX")
child=''
finish() {
    [ -z "$child" ] || kill "$child" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# People with everything that HR knows; every tenth is a manager, one in a hundred leaves.
people() { # how many
    awk -v n="$1" 'BEGIN {
        print "Personal-Nr.;Vorname;Nachname;E-Mail;Abteilung;Vorgesetzter;Sprache;Zeitzone;Eintrittsdatum;Austrittsdatum"
        for (i = 1; i <= n; i++) {
            leaves = i % 100 == 7 ? "31.12.2099" : ""
            printf "%07d;Robin;Crowd %d;robin.%d@crowd.example;Team %d;%07d;de;Europe/Zurich;01.02.2020;%s\n", \
                i, i, i, i % 40, int(i / 10) * 10 + 1, leaves
        }
    }'
}

bad=0
figure() { # name, value, limit, unit, least or most
    printf '%-44s %9s %s (%s %s)\n' "$1" "$2" "$4" "$5" "$3"
    if [ "$5" = 'at most' ]; then [ "$2" -le "$3" ] || bad=1; else [ "$2" -ge "$3" ] || bad=1; fi
}

# Runs the import of people.csv in the working directory; sets seconds (in milliseconds) and peak (in KiB).
import() {
    local began=$(date +%s%3N) now
    peak=0
    "$usher" people import people.csv >import.log 2>&1 &
    child=$!
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$child/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.05
    done
    wait "$child" || { cat import.log; exit 1; }
    child=''
    took=$(($(date +%s%3N) - began))
}

smallest=0
for size in "${sizes[@]}"; do
    mkdir "$work/$size"
    cd "$work/$size"
    export USHER_DATA_DIR="$work/$size"
    people "$size" >people.csv
    import
    grep -q "$size people: $size new" import.log || { cat import.log; exit 1; }
    [ "$smallest" -ne 0 ] || smallest=$peak
    figure "$size people, all new" $((size * 1000 / (took + 1))) "${USHER_LEAST:-2000}" 'rows/s' 'at least'
    figure "$size people, peak of memory" "$peak" 131072 KiB 'at most'
    # Beyond what the smallest file needs: eight bytes a row and an entry for each manager, not the file.
    figure "$size people, more than the smallest file" $((peak - smallest)) $((16384 + size * 48 / 1024)) KiB 'at most'
    import
    grep -q "$size people: 0 new, 0 changed" import.log || { cat import.log; exit 1; }
    figure "$size people, nothing new" $((size * 1000 / (took + 1))) "${USHER_LEAST:-2000}" 'rows/s' 'at least'
    cd "$work"
    rm -rf "${work:?}/$size"
done
exit "$bad"
