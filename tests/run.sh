#!/usr/bin/env bash
#
# All checks and tests, on SQLite and on PostgreSQL: format, lints, tests.
#
# Needs Rust, PostgreSQL's programs, libfaketime, OpenLDAP, 389 Directory Server, Dovecot, Cyrus, Samba and Python 3 with venv. As root on Debian or Ubuntu it installs them (and Postfix,
# for a test of the mail) by itself where they are missing; elsewhere it says what to install. The tests get a PostgreSQL server of their own on a free port, in a
# temporary folder, which is stopped and removed whatever happens. USHER_TEST_POSTGRES=postgres://… uses another one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=''
server=''
step='the start'

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf 'tests/run.sh: %s\n' "$@" >&2
    exit 1
}

finish() {
    local code=$?
    trap - EXIT
    if [ -n "$server" ]; then
        # SIGINT is PostgreSQL's fast shutdown.
        kill -INT "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ -n "$work" ]; then
        rm -rf "$work"
    fi
    if [ "$code" -eq 0 ]; then
        say 'All passed: format, lints, tests on SQLite and PostgreSQL'
    else
        say "FAILED at $step (exit code $code)"
    fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The newest folder that has PostgreSQL's server programs; Debian keeps them off the PATH.
postgres_programs() {
    local found
    if found=$(command -v initdb) && command -v postgres >/dev/null; then
        dirname "$found"
        return
    fi
    found=$(find /usr/lib/postgresql /usr/pgsql-* /opt/homebrew/opt/postgresql* /usr/local/opt/postgresql* \
        -name initdb 2>/dev/null | sort -V | tail -n 1) || true
    if [ -n "$found" ]; then
        dirname "$found"
    fi
}

# What the packages' servers would start by themselves, nobody needs here.
install_packages() {
    local what=$1
    shift
    command -v apt-get >/dev/null || fail "$what: missing, and there is no apt-get."
    say "Installing $what with apt-get"
    local policy=/usr/sbin/policy-rc.d made=''
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made=yes
    fi
    local code=0
    {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } </dev/null >"$work/apt.log" 2>&1 || code=$?
    if [ -n "$made" ]; then
        rm -f "$policy"
    fi
    if [ "$code" -ne 0 ]; then
        cat "$work/apt.log" >&2
        fail "$what: it could not be installed."
    fi
    echo "Installed $*."
}

install_postgres() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail 'PostgreSQL (initdb, postgres) is missing, and the tests need it.' \
            'Debian, Ubuntu: sudo apt-get install postgresql' \
            'Fedora: sudo dnf install postgresql-server' \
            'macOS: brew install postgresql' \
            'or name a server of yours, whose databases the tests may make and drop: USHER_TEST_POSTGRES=postgres://…'
    fi
    install_packages 'PostgreSQL, because initdb and postgres are missing' postgresql
}

# Postfix runs as root only.
postfix_test() {
    if [ "${USHER_TEST_POSTFIX:-yes}" = no ]; then
        say 'Without Postfix, as USHER_TEST_POSTFIX=no says: no mail was sent through a real mail server'
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        fail 'Postfix runs as root only, and the test against a real mail server needs it.' \
            'Run the tests as root (in a container, for example), or leave this one out with USHER_TEST_POSTFIX=no'
    fi
    local name missing=''
    for name in postfix dovecot openssl; do
        command -v "$name" >/dev/null || missing=yes
    done
    if [ -n "$missing" ]; then
        install_packages 'Postfix, Dovecot and openssl, for the mail test' postfix dovecot-core openssl
    fi
    # The tests above have built the program.
    run tests/postfix.sh "${CARGO_TARGET_DIR:-target}/debug/usher"
}

# The connectors are tested against real servers (tests/connectors): OpenLDAP, 389 Directory Server, Cyrus and Dovecot as any user,
# Samba's domain controller as root.
servers_for_connectors() {
    local missing=()
    if [ -z "$(find /usr/sbin /usr/local/sbin /usr/local/libexec /usr/libexec -name slapd 2>/dev/null | head -n 1)" ]; then
        missing+=(slapd)
    fi
    command -v ldapmodify >/dev/null || missing+=(ldap-utils)
    [ -x /usr/sbin/ns-slapd ] || missing+=(389-ds-base)
    command -v certutil >/dev/null && command -v pk12util >/dev/null || missing+=(libnss3-tools)
    command -v openssl >/dev/null || missing+=(openssl)
    [ -x /usr/sbin/dovecot ] || missing+=(dovecot-core)
    [ -x /usr/lib/dovecot/imap ] || missing+=(dovecot-imapd)
    [ -x /usr/lib/dovecot/managesieve ] || missing+=(dovecot-managesieved)
    [ -x /usr/lib/dovecot/lmtp ] || missing+=(dovecot-lmtpd)
    [ -e /usr/lib/dovecot/modules/lib90_sieve_plugin.so ] || missing+=(dovecot-sieve)
    [ -x /usr/lib/cyrus/bin/httpd ] || missing+=(cyrus-caldav)
    [ -x /usr/sbin/saslpasswd2 ] || missing+=(sasl2-bin)
    [ -e /usr/lib/dovecot/modules/auth/libdriver_sqlite.so ] || missing+=(dovecot-sqlite)
    [ -e /usr/lib/dovecot/modules/auth/libdriver_pgsql.so ] || missing+=(dovecot-pgsql)
    if [ "${USHER_TEST_SAMBA:-yes}" = no ]; then
        say 'Without Samba, as USHER_TEST_SAMBA=no says: nothing was tried on Active Directory'
    elif [ "$(id -u)" -ne 0 ]; then
        fail "Samba's domain controller runs as root only, and the test of Active Directory needs it." \
            'Run the tests as root (in a container, for example), or leave this one out with USHER_TEST_SAMBA=no'
    elif ! command -v samba >/dev/null || ! command -v samba-tool >/dev/null; then
        missing+=(samba samba-ad-dc samba-ad-provision samba-dsdb-modules python3-samba ldb-tools winbind samba-vfs-modules)
    fi
    if [ "${#missing[@]}" -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "${missing[*]} is missing, and the tests of the connectors need it." \
            "Debian, Ubuntu: sudo apt-get install ${missing[*]}"
    fi
    install_packages 'directories and mail hosts, for the tests of the connectors' "${missing[@]}"
}

# Servers that no distribution has, in a Python environment that is kept between runs.
servers_from_python() {
    local dir="${CARGO_TARGET_DIR:-target}/test-servers"
    if [ -n "${USHER_TEST_SERVERS:-}" ]; then
        echo "Servers of tests/servers.txt as named by USHER_TEST_SERVERS"
        return
    fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            fail "Python's module venv is missing, and the tests of the connectors need it." \
                'Debian, Ubuntu: sudo apt-get install python3-venv'
        fi
        install_packages "Python's module venv, for the tests of the connectors" python3 python3-venv
    fi
    run tests/servers.sh "$dir"
}

# Clocks that jump (tests/storm/clocks.rs) need libfaketime.
faketime_for_clocks() {
    if [ "${USHER_STORM_CLOCKS:-}" = 0 ]; then
        say 'Without clocks that jump, as USHER_STORM_CLOCKS=0 says'
        return
    fi
    if [ -n "$(find /usr/lib /usr/lib64 -name 'libfaketimeMT.so.1' 2>/dev/null | head -n 1)" ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail 'libfaketime is missing, and the tests of jumping clocks need it.' \
            'Debian, Ubuntu: sudo apt-get install faketime' \
            'or leave them out with USHER_STORM_CLOCKS=0'
    fi
    install_packages 'libfaketime, for the tests of jumping clocks' faketime
}

# A small disk that is filled (tests/storm/disk.rs) is mounted, and only root mounts.
root_for_the_disk() {
    if [ "${USHER_STORM_DISK:-yes}" = no ]; then
        say 'Without a full disk, as USHER_STORM_DISK=no says'
    elif [ "$(id -u)" -ne 0 ]; then
        fail 'The test of a full disk mounts a small one, and only root may.' \
            'Run the tests as root (in a container, for example), or leave this one out with USHER_STORM_DISK=no'
    fi
}

# PostgreSQL refuses to run as root: then somebody else is found for it.
server_user() {
    local name
    for name in postgres nobody; do
        if id "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    fail 'PostgreSQL does not run as root, and there is neither a user postgres nor nobody.'
}

as_server_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
    else
        "$@"
    fi
}

# A port that bash can connect to is taken.
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    fail 'No free port was found.'
}

start_postgres() {
    local bin=$1 user='' port try
    if [ "$(id -u)" -eq 0 ]; then
        user=$(server_user)
    fi
    mkdir "$work/pg"
    chmod 755 "$work"
    if [ -n "$user" ]; then
        chown "$user" "$work/pg"
    fi
    (cd "$work/pg" && as_server_user "$bin/initdb" -D "$work/pg/data" -U postgres -A trust -E UTF8 --locale=C -N \
        >"$work/initdb.log" 2>&1) || { cat "$work/initdb.log" >&2; fail 'initdb failed.'; }
    for try in 1 2 3; do
        port=$(free_port)
        : >"$work/pg.log"
        # The tests kill processes, never the machine: what the kernel has is safe enough here.
        (
            cd "$work/pg"
            run=(env)
            if [ -n "$user" ]; then
                run=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
            fi
            exec "${run[@]}" "$bin/postgres" -D "$work/pg/data" -p "$port" -k "$work/pg" \
                -c listen_addresses=127.0.0.1 -c max_connections=300 \
                -c fsync=off -c synchronous_commit=off -c full_page_writes=off
        ) </dev/null >>"$work/pg.log" 2>&1 &
        server=$!
        for _ in $(seq 200); do
            if grep -q 'ready to accept connections' "$work/pg.log"; then
                export USHER_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
                echo "PostgreSQL $("$bin/postgres" --version | sed 's/.* \([0-9][0-9.]*\).*/\1/') on port $port, process $server"
                return
            fi
            kill -0 "$server" 2>/dev/null || break
            sleep 0.05
        done
        kill -INT "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=''
        echo "PostgreSQL did not start on port $port (try $try)"
    done
    cat "$work/pg.log" >&2
    fail 'PostgreSQL did not start.'
}

run() {
    step="\`$*\`"
    say "$*"
    "$@" </dev/null
}

command -v cargo >/dev/null || fail 'cargo is missing: install Rust first (rustup).'
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-tests.XXXXXX")

step='PostgreSQL'
if [ -z "${USHER_TEST_POSTGRES:-}" ]; then
    bin=$(postgres_programs)
    if [ -z "$bin" ]; then
        install_postgres
        bin=$(postgres_programs)
        [ -n "$bin" ] || fail 'PostgreSQL was installed, but initdb is still not to be found.'
    fi
    start_postgres "$bin"
else
    echo "PostgreSQL as named by USHER_TEST_POSTGRES"
fi

step='what the tests of faults need'
faketime_for_clocks
root_for_the_disk
servers_for_connectors
servers_from_python

run cargo fmt --check
run cargo clippy --locked --all-targets -- -D warnings
run cargo test --locked --all-targets
postfix_test
