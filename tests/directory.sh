#!/usr/bin/env bash
#
# What it costs to read a large directory: `usher accounts sync` of 100,000 accounts, each of which finds its person, and once
# more when all of them are known; the time, and the peak of usher's memory (VmHWM). A real OpenLDAP in a temporary folder, or
# as many accounts as the argument says. Prints the figures beside their limits; exit code 1 when one is over.
#
#   tests/directory.sh                      a release build, 100000 accounts
#   USHER=path/to/usher tests/directory.sh 10000
#
# Needs OpenLDAP's server (Debian: slapd) and Python 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${USHER:-}" ]; then
    cargo build --release --quiet </dev/null
    USHER=${CARGO_TARGET_DIR:-target}/release/usher
fi
usher=$(realpath "$USHER")
accounts=${1:-100000}
PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/local/libexec
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-directory.XXXXXX")
slapd=''
finish() {
    [ -z "$slapd" ] || kill -KILL "$slapd" 2>/dev/null || true
    [ -z "$slapd" ] || wait "$slapd" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')

# People as they are in a directory: names, address, number, department, manager; and HR's file of the same people.
mkdir db
python3 - "$accounts" <<'PEOPLE'
import sys
number = int(sys.argv[1])
suffix = "dc=example,dc=org"
given, family = "Ada Berta Carl Dora Emil Frida Gino Hugo Ida Jan".split(), "Keller Meier Brunner Frei Roth Wyss Lang".split()
with open("base.ldif", "w") as ldif, open("people.csv", "w") as csv:
    ldif.write(f"dn: {suffix}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n")
    for place in ("people", "services"):
        ldif.write(f"dn: ou={place},{suffix}\nobjectClass: organizationalUnit\nou: {place}\n\n")
    ldif.write(f"dn: uid=usher,ou=services,{suffix}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: usher\n"
               "userPassword: secret\n\n")
    csv.write("employee_number,given_name,family_name,display_name,email\n")
    for n in range(number):
        first, last, uid = given[n % 10], family[n % 7], f"u{n:06}"
        ldif.write(f"dn: uid={uid},ou=people,{suffix}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {first} {last}\n"
                   f"givenName: {first}\nsn: {last}\ndisplayName: {first} {last}\nmail: {uid}@example.org\n"
                   f"employeeNumber: {n}\ndepartmentNumber: {n % 97}\nmanager: uid=u{n // 20:06},ou=people,{suffix}\n\n")
        csv.write(f"{n},{first},{last},{first} {last},{uid}@example.org\n")
PEOPLE

schema='' modules=''
for folder in /etc/ldap/schema /etc/openldap/schema /usr/local/etc/openldap/schema; do
    [ ! -e "$folder/core.schema" ] || schema=${schema:-$folder}
done
for folder in /usr/lib/ldap /usr/lib64/openldap /usr/lib/openldap /usr/local/libexec/openldap; do
    [ ! -e "$folder/back_mdb.so" ] || modules=${modules:-$folder}
done
cat >slapd.conf <<CONF
$(for name in core cosine inetorgperson; do echo "include $schema/$name.schema"; done)
modulepath $modules
moduleload back_mdb
pidfile $work/slapd.pid
argsfile $work/slapd.args
sizelimit 500
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw admin
directory $work/db
maxsize 4294967296
dbnosync
index objectClass,entryUUID,entryCSN,uid,mail,employeeNumber eq
limits dn.exact="uid=usher,ou=services,dc=example,dc=org" size.pr=1000 size.prtotal=unlimited
access to * by users read by anonymous auth
CONF
slapadd -q -f slapd.conf -b dc=example,dc=org -l base.ldif
slapd -d 0 -f slapd.conf -h "ldap://127.0.0.1:$port/" >slapd.log 2>&1 &
slapd=$!
for _ in $(seq 200); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break || sleep 0.05; done

printf 'secret' >password
# HR's people are known before the directory is: nothing of it has been read by then.
printf '[database]\nurl = "sqlite:usher.db"\n' >usher.toml
"$usher" people import people.csv >setup.log 2>&1 || { cat setup.log; exit 1; }
cat >>usher.toml <<CONF
[systems.directory]
kind = "ldap"
profile = "openldap"
url = "ldap://127.0.0.1:$port"
tls = "none"
user = "uid=usher,ou=services,dc=example,dc=org"
password = { file = "password" }
base = "dc=example,dc=org"
people = "ou=people,dc=example,dc=org"
CONF

bad=0
figure() { # name, value, limit, unit
    printf '%-52s %9s %s (at most %s)\n' "$1" "$2" "$4" "$3"
    [ "$2" -le "$3" ] || bad=1
}

# Milliseconds and the peak in KiB of a command, which must say how many accounts it has read.
measured() {
    python3 - "$@" <<'TIMES'
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[2:], stdout=open("sync.json", "w"))
_, status, used = os.wait4(process.pid, 0)
took = int((time.monotonic() - began) * 1000)
if status:
    sys.exit("the sync has failed")
[found] = json.load(open("sync.json"))
if found["read"] != int(sys.argv[1]):
    sys.exit(f"{found['read']} accounts were read, of {sys.argv[1]}")
print(took, used.ru_maxrss, found["new"], found["bound"])
TIMES
}
for time in first second; do
    result=$(measured "$accounts" "$usher" --json accounts sync directory)
    read -r took peak new bound <<<"$result"
    echo "$time sync: $accounts accounts, $new new, $bound bound, $((accounts * 1000 / (took + 1))) a second"
    figure "time of the $time sync" "$took" 60000 ms
    figure "peak of usher's memory" "$peak" 102400 KiB
done
exit "$bad"
