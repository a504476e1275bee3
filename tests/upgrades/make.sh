#!/usr/bin/env bash
# Makes the fixtures of one released version: its own program plays half a year on SQLite and on PostgreSQL and is killed
# in the middle of its work; what it leaves behind is kept as it is.
#
#   cargo build && tests/upgrades/make.sh target/debug/usher schema-6
#
# USHER_TEST_POSTGRES names a server whose user may create databases. Needs sqlite3, psql and pg_dump.
# Only commands, configuration and tables that every version has had since the first are used.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
usher=$(realpath "$1")
kept=$(cd "$(dirname "$0")" && pwd)/$2
server=${USHER_TEST_POSTGRES:?names a PostgreSQL server, as postgres://postgres@127.0.0.1:5432/postgres}
server=${server%/postgres}
port=$((20000 + RANDOM % 20000))
daemon='' work=''

fail() { echo "make.sh: $*" >&2; exit 1; }

tidy() {
    [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
    psql -q "$server/postgres" -c 'DROP DATABASE IF EXISTS usher_upgrade WITH (FORCE)' 2>/dev/null || true
}
trap tidy EXIT

# ── The record ──────────────────────────────────────────────────────────────────────────────────────────────────────

sql() {
    if [ "$database" = sqlite ]; then
        sqlite3 -cmd '.timeout 10000' usher.db "$1"
    else
        psql -qtA "$server/usher_upgrade" -c "$1"
    fi
}

run_of() { # WORKFLOW PERSON
    local id
    id=$(sql "SELECT MAX(r.id) FROM runs r JOIN people p ON p.id = r.person_id
              WHERE r.workflow = '$1' AND p.employee_number = '$2'")
    [ -n "$id" ] || fail "$2 has no run of $1"
    echo "run_$id"
}

# ── Time: the offset that a sandbox's clock has ─────────────────────────────────────────────────────────────────────

millis() { date -u -d "$1" +%s%3N; }
offset() { sql "SELECT COALESCE((SELECT value FROM meta WHERE name = 'clock_offset'), '0')"; }
now() { echo $(($(date +%s%3N) + $(offset))); }

set_clock() { # epoch milliseconds
    local ahead=$(($1 - $(date +%s%3N)))
    sql "INSERT INTO meta (name, value) VALUES ('clock_offset', '$ahead')
         ON CONFLICT (name) DO UPDATE SET value = excluded.value"
}

settle() {
    local busy
    for _ in $(seq 600); do
        busy=$(sql "SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL OR due_at <= $(now)")
        [ "$busy" = 0 ] && return
        sleep 0.1
    done
    sql "SELECT id, name, system, state, due_at FROM steps WHERE lease_until IS NOT NULL OR due_at <= $(now)" >&2
    fail 'what was due did not end within a minute'
}

# From one due time to the next, as if months had passed. The daemon runs.
walk() { # UNTIL
    local until next
    until=$(millis "$1")
    while :; do
        settle
        next=$(sql "SELECT COALESCE(MIN(due_at), $until) FROM steps WHERE due_at > $(now)")
        [ "$next" -ge "$until" ] && break
        set_clock "$next"
    done
    [ "$until" -le "$(now)" ] || set_clock "$until"
    settle
    echo "  $1: $(sql "SELECT COUNT(*) FROM journal") entries"
}

# ── The daemon, and the company it works on ─────────────────────────────────────────────────────────────────────────

start_daemon() {
    "$usher" serve >>serve.log 2>&1 &
    daemon=$!
    for _ in $(seq 200); do
        grep -q ready <(curl -s "http://127.0.0.1:$port/health/ready" || true) && return
        kill -0 "$daemon" 2>/dev/null || { cat serve.log >&2; fail 'the daemon ended'; }
        sleep 0.05
    done
    fail 'the daemon is not ready'
}

stop_daemon() {
    kill "$daemon" && wait "$daemon" || true
    daemon=''
}

# Knobs of one system; none without words.
misbehave() { # SYSTEM [KNOB…]
    local system=$1
    shift
    cp company.as-shipped company.toml
    [ $# -eq 0 ] || printf '\n[systems.%s.knobs]\n%s\n' "$system" "$(printf '%s\n' "$@")" >>company.toml
}

leaves() { # PERSON LAST_DAY
    sed -i "s/^\($1,.*\),[^,]*,[^,]*\$/\1,$2,leaving/" people.csv
}

stays() { # PERSON
    sed -i "s/^\($1,.*\),[^,]*,[^,]*\$/\1,,active/" people.csv
}

import() { "$usher" people import people.csv >import.log || { cat import.log >&2; fail 'the import failed'; }; }

badge_is_in() { # PERSON
    "$usher" task done "$(run_of departure "$1")" disable@badges --note 'badge collected' >/dev/null
}

checked() { # PERSON
    "$usher" task done "$(run_of departure "$1")" checklist --item 1 --item 2 --item 3 --item 4 >/dev/null
    settle
}

approve() { # PERSON NAME
    "$usher" approve "$(run_of departure "$1")" approve-deletion --confirm "$2" >/dev/null
}

# ── Half a year ─────────────────────────────────────────────────────────────────────────────────────────────────────

set_up() {
    "$usher" init . >/dev/null
    mv company.toml company.as-shipped
    misbehave none
    local url=sqlite:usher.db
    [ "$database" = sqlite ] || url=$server/usher_upgrade
    sed -i "s#^url = .*#url = \"$url\"#; s#^\[serve\].*#[serve]\nlisten = \"127.0.0.1:$port\"#" usher.toml
    "$usher" run list >/dev/null
    set_clock "$(millis 2026-07-06T06:00:00Z)"
    # Nobody of the shipped file leaves, to begin with.
    sed -i 's/^\([0-9]*,.*\),[^,]*,[^,]*$/\1,,active/' people.csv
}

half_a_year() {
    start_daemon
    leaves 1006 2026-07-10 # deleted on 6 January, in grace until 5 February
    leaves 1009 2026-07-17 # approved; what deletes is held by a freeze
    leaves 1008 2026-07-28 # approved, deleted on 24 January
    leaves 1007 2026-07-29 # waits for the approval
    leaves 1022 2026-08-12 # waits for the checklist
    import
    walk 2026-07-31T16:10:00Z
    for person in 1006 1008 1009; do badge_is_in $person; done
    leaves 1014 2026-10-30 # paused
    import
    walk 2026-11-02T08:00:00Z
    "$usher" run pause "$(run_of departure 1014)" --reason 'the notice is disputed' >/dev/null
    walk 2026-12-30T10:00:00Z
    checked 1006
    approve 1006 'Zoë Lindqvist'
    walk 2027-01-04T10:00:00Z
    checked 1009
    approve 1009 'Małgorzata Wiśniewska'
    checked 1008
    checked 1007

    leaves 1005 2027-01-29 # tells nobody yet
    leaves 1011 2027-02-26 # in New York
    leaves 1013 2027-01-15 # hides and hands over in a week
    leaves 1015 2027-02-12 # cancelled
    leaves 1016 2027-01-08 # what exports its calendars fails
    leaves 1017 2027-01-12 # stays after all, too late
    import
    "$usher" run cancel "$(run_of departure 1015)" --reason 'a slip of HR' >/dev/null
    "$usher" run start temporary-leave --person 1012 --now --set first_day=2027-01-11 --set return_day=2027-03-01 >/dev/null
    walk 2027-01-12T10:00:00Z
    "$usher" freeze --system mailhost --reason 'the archive is being moved' >/dev/null
    walk 2027-01-14T20:00:00Z
    approve 1008 'Inês Gonçalves'
    stop_daemon
    misbehave groupware 'error_rate = 1.0'
    start_daemon
    walk 2027-01-15T12:00:00Z
    stop_daemon
    misbehave none
    start_daemon
    walk 2027-01-18T08:00:00Z
    stays 1017
    leaves 1011 2027-03-05 # HR moves a date
    sed -i 's/^\(1018,.*\),[^,]*,[^,]*$/\1,,on_leave/' people.csv # until when is not said
    import
    "$usher" block 1019 --reason 'laptop stolen' --yes >/dev/null
    walk 2027-01-20T08:00:00Z
}

# Somebody is blocked while one system loses its answers and one is slow: the daemon dies in the middle.
killed() {
    stop_daemon
    misbehave mailhost 'cut_after_rate = 1.0'
    printf '\n[systems.directory.knobs]\nslow_rate = 1.0\nslow_ms = 20000\n' >>company.toml
    start_daemon
    "$usher" block 1020 --reason 'a letter from prison' --yes >/dev/null
    for _ in $(seq 400); do
        if [ "$(sql "SELECT COUNT(DISTINCT state) FROM steps WHERE state = 'unknown' OR (state = 'leased' AND system = 'directory')")" = 2 ]; then
            kill -9 "$daemon"
            wait "$daemon" 2>/dev/null || true
            daemon=''
            misbehave none
            return
        fi
        sleep 0.02
    done
    fail 'no attempt was under way while another was lost'
}

# ── What is kept ────────────────────────────────────────────────────────────────────────────────────────────────────

# A fixture that lacks a state shows nothing about it.
judge() {
    local state
    for state in blocked waiting leased unknown done failed held awaiting_approval awaiting_person skipped cancelled; do
        [ "$(sql "SELECT COUNT(*) FROM steps WHERE state = '$state'")" != 0 ] || fail "no step is $state"
    done
    for state in open paused needs_attention cancelled; do
        [ "$(sql "SELECT COUNT(*) FROM runs WHERE state = '$state'")" != 0 ] || fail "no run is $state"
    done
    [ "$(sql "SELECT COUNT(*) FROM hr_events WHERE state = 'parked'")" != 0 ] || fail 'no event is parked'
    [ "$(sql 'SELECT COUNT(*) FROM freezes WHERE lifted_at IS NULL')" != 0 ] || fail 'no freeze stands'
    [ "$(sql 'SELECT COUNT(*) FROM schedules')" != 0 ] || fail 'no schedule has ticked'
}

keep() {
    local into=$kept/$database ledger
    rm -rf "$into"
    mkdir -p "$into"
    now >"$into/now"
    ledger=$(find . -name '*.ledger*' -o -name 'ledger.*' | head -1)
    cp "$ledger" "$into/ledger.jsonl"
    cp company.as-shipped "$into/company.toml"
    cp usher.key "$into/usher.key"
    [ ! -d archive ] || cp -r archive "$into/archive"
    if [ "$database" = sqlite ]; then
        sqlite3 usher.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
        cp usher.db "$into/record.sqlite"
    else
        # Lines that begin with a backslash are for psql only.
        pg_dump --no-owner --no-privileges --inserts --rows-per-insert=200 "$server/usher_upgrade" | grep -v '^\\' >"$into/record.sql"
    fi
    du -sh "$into"
    sql 'SELECT state, COUNT(*) FROM steps GROUP BY state'
}

for database in sqlite postgres; do
    work=$(mktemp -d)
    cd "$work"
    export USHER_DATA_DIR=$work
    if [ "$database" = postgres ]; then
        psql -q "$server/postgres" -c 'DROP DATABASE IF EXISTS usher_upgrade WITH (FORCE)' -c 'CREATE DATABASE usher_upgrade'
    fi
    echo "$database"
    set_up
    half_a_year
    killed
    judge
    keep
    cd /
    rm -rf "$work"
    work=''
done
