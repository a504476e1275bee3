#!/usr/bin/env bash
#
# What it costs usher to let people go on real systems: a leaver for each of 1,000 people (or as many as the argument says) with
# accounts in a real OpenLDAP and a real Dovecot, both in a temporary folder, over TLS wherever a network would be between.
# From HR's CSV to completed runs: closed in both, new passwords, sessions ended, an auto-reply by ManageSieve, out of all
# groups, hidden, verified. Prints the time, and how the processor's time was shared by usher, slapd and Dovecot. Then it asks
# the servers, not usher, whether everybody is out: exit code 1 when something is open, or usher takes more than a third.
#
#   tests/departures.sh                              a release build, 1,000 people
#   USHER=path/to/usher tests/departures.sh 100
#   WORKERS=128 tests/departures.sh                  another `[serve] workers`
#
# Needs OpenLDAP, Dovecot, openssl and Python (Debian: slapd ldap-utils dovecot-core dovecot-imapd dovecot-managesieved
# dovecot-sieve openssl python3) and, as root, Dovecot's user `dovecot`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source tests/dovecot.sh

usher=$(built)
people=${1:-1000}
slapd='' daemon='' sessions=''
finish() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    [ -z "$sessions" ] || kill "$sessions" 2>/dev/null || true
    [ -z "$slapd" ] || kill "$slapd" 2>/dev/null || true
}
furnished departures
read -r ldap ldaps imap sieve http web < <(ports 6)

{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj '/CN=usher test CA' \
        -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout key.pem -out leaf.csr
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n' >ext
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out cert.pem
} 2>openssl.log
chmod 644 key.pem

# The people: numbers from 1, and their manager, who stays.
python3 - "$people" <<'PEOPLE'
import sys
people = int(sys.argv[1])
suffix = "dc=example,dc=org"
everybody = [("boss", 0, "Berta", "Brunner")] + [(f"p{n}", n, f"Given{n}", f"Family{n}") for n in range(1, people + 1)]
with open("base.ldif", "w") as out:
    out.write(f"dn: {suffix}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n")
    for place in ("people", "groups", "services", "policies"):
        out.write(f"dn: ou={place},{suffix}\nobjectClass: organizationalUnit\nou: {place}\n\n")
    out.write(f"dn: cn=default,ou=policies,{suffix}\nobjectClass: person\nobjectClass: pwdPolicy\ncn: default\nsn: default\n"
              "pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\npwdMinLength: 8\npwdCheckQuality: 1\n\n"
              f"dn: uid=usher,ou=services,{suffix}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: usher\n"
              "userPassword: svc-Password-1\n\n")
    for uid, number, given, family in everybody:
        out.write(f"dn: uid={uid},ou=people,{suffix}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {given} {family}\n"
                  f"sn: {family}\ngivenName: {given}\nmail: {uid}@example.org\nemployeeNumber: {1000 + number}\n"
                  f"userPassword: first-Password-{uid}\n\n")
# Three groups for each: everybody's, a department of a hundred, a team of ten. The manager is in all of them.
groups = {"staff": everybody[1:]}
for uid, number, *_ in everybody[1:]:
    groups.setdefault(f"department{number // 100}", []).append((uid,))
    groups.setdefault(f"team{number // 10}", []).append((uid,))
with open("groups.ldif", "w") as out:
    for name, members in groups.items():
        out.write(f"dn: cn={name},ou=groups,{suffix}\nobjectClass: groupOfNames\ncn: {name}\n")
        out.writelines(f"member: uid={who[0]},ou=people,{suffix}\n" for who in [("boss",)] + members)
        out.write("\n")
with open("users", "w") as out:
    out.writelines(f"{uid}@example.org:{{PLAIN}}first-Password-{uid}:::{given} {family},nr={1000 + number}:::\n"
                   for uid, number, given, family in everybody)
for file, last in (("people.csv", ""), ("leavers.csv", __import__("datetime").date.today().isoformat())):
    with open(file, "w") as out:
        out.write("employee_number,given_name,family_name,email,manager,last_day\n")
        out.writelines(f"{1000 + number},{given},{family},{uid}@example.org,{1000 if number else ''},{last if number else ''}\n"
                       for uid, number, given, family in everybody)
PEOPLE

# ── OpenLDAP ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
schema=$(dirname "$(find /etc/ldap/schema /etc/openldap/schema -name core.schema 2>/dev/null | head -n 1)")
modules=$(dirname "$(find /usr/lib/ldap /usr/lib64/openldap /usr/lib/openldap -name back_mdb.so 2>/dev/null | head -n 1)")
mkdir db
usher_dn=uid=usher,ou=services,dc=example,dc=org
cat >slapd.conf <<CONF
include $schema/core.schema
include $schema/cosine.schema
include $schema/inetorgperson.schema
include $schema/nis.schema
modulepath $modules
moduleload back_mdb
moduleload ppolicy
moduleload memberof
moduleload refint
pidfile $work/slapd.pid
argsfile $work/slapd.args
TLSCertificateFile $work/cert.pem
TLSCertificateKeyFile $work/key.pem
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw admin
directory $work/db
maxsize 2147483648
index objectClass,entryUUID,entryCSN eq
index uid,mail,cn,sn,memberOf,member,uniqueMember,memberUid,employeeNumber pres,eq
lastbind on
limits dn.exact="$usher_dn" size.pr=1000 size.prtotal=unlimited
access to attrs=userPassword by dn.exact="$usher_dn" =w by self =w by anonymous auth by * none
access to dn.subtree="ou=people,dc=example,dc=org" by dn.exact="$usher_dn" write by users read
access to dn.subtree="ou=groups,dc=example,dc=org" attrs=member by dn.exact="$usher_dn" write by users read
access to * by users read by anonymous auth
overlay ppolicy
ppolicy_default "cn=default,ou=policies,dc=example,dc=org"
ppolicy_use_lockout
overlay memberof
memberof-dangling ignore
overlay refint
refint_attributes member
refint_nothing "cn=nobody,dc=example,dc=org"
CONF
/usr/sbin/slapadd -q -f slapd.conf -b dc=example,dc=org -l base.ldif
/usr/sbin/slapd -d 0 -f slapd.conf -h "ldap://127.0.0.1:$ldap/ ldaps://127.0.0.1:$ldaps/" >slapd.log 2>&1 &
slapd=$!
up "$ldaps"
admin=(-x -H "ldap://127.0.0.1:$ldap" -D cn=admin,dc=example,dc=org -w admin)
ldapadd "${admin[@]}" -f groups.ldif >/dev/null

# ── Dovecot ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────
install -o "$user" -g "$group" /dev/null deny
printf 'usher@example.org:{PLAIN}master-Password-1::::::\n' >masters
printf 'master-Password-1' >master
printf 'svc-Password-1' >password
configured <<CONF
protocols = imap sieve
ssl = yes
ssl_cert = <$work/cert.pem
ssl_key = <$work/key.pem
auth_failure_delay = 0
auth_cache_size = 1M
passdb {
  driver = passwd-file
  args = username_format=%u $work/deny
  deny = yes
}
service managesieve-login {
  chroot =
  inet_listener sieve {
    port = $sieve
  }
}
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
}
CONF
started
up "$sieve"

# Every tenth has an open session; they wait for it to be ended.
python3 - "$imap" "$people" <<'SESSIONS' &
import socket, sys
lines = []
for number in range(10, int(sys.argv[2]) + 1, 10):
    line = socket.create_connection(("127.0.0.1", int(sys.argv[1]))).makefile("rw", newline="\r\n")
    line.readline()
    line.write(f'a LOGIN "p{number}@example.org" "first-Password-p{number}"\n')
    line.flush()
    while not (said := line.readline()).startswith("a "):
        pass
    assert " OK " in said, said
    lines.append(line)
open("sessions.open", "w").write(str(len(lines)))
for line in lines:
    try:
        while line.readline():
            pass
    except OSError:
        pass
open("sessions.ended", "w").write(str(len(lines)))
SESSIONS
sessions=$!
for _ in $(seq 1200); do [ ! -e sessions.open ] || break; sleep 0.05; done
[ -e sessions.open ] || { echo 'the sessions were not opened'; exit 1; }

# ── usher ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
cat >usher.toml <<CONF
[database]
url = "sqlite:usher.db"
[serve]
listen = "127.0.0.1:$web"
workers = ${WORKERS:-32}
[workflows]
folder = "workflows"
[limits]
cuts_per_hour = "$((people + 1))"
[systems.directory]
kind = "ldap"
profile = "openldap"
url = "ldaps://localhost:$ldaps"
ca = "ca.pem"
user = "$usher_dn"
password = { file = "password" }
base = "dc=example,dc=org"
people = "ou=people,dc=example,dc=org"
groups = "ou=groups,dc=example,dc=org"
hidden = "employeeType=hidden"
[systems.mailhost]
kind = "dovecot"
url = "http://127.0.0.1:$http"
api_key = { file = "key" }
sieve = "sieve://localhost:$sieve"
ca = "ca.pem"
user = "usher@example.org"
password = { file = "master" }
passwd_file = "users"
deny_file = "deny"
CONF
mkdir workflows
cat >workflows/leaver.yaml <<'FLOW'
workflow: leaver
title: Somebody leaves now
for: person
on: { event: departure }
steps:
  - id: disable
    action: account.disable
    systems: all
  - id: rotate-password
    action: password.rotate
    systems: all
    after: disable
  - id: revoke-sessions
    action: sessions.revoke
    systems: all
    after: rotate-password
  - id: remove-access
    action: access.remove
    systems: all
    after: revoke-sessions
  - id: clear-own-rules
    action: mail.clear_rules
    systems: mail
    after: disable
  - id: auto-reply
    action: mail.auto_reply
    systems: mail
    after: clear-own-rules
    with: { subject: "{{ person.display_name }} has left", template: left-company, contact: "{{ person.manager.email }}" }
  - id: hide
    action: directory.hide
    systems: all
    after: disable
  - id: verify-no-access
    action: verify.no_access
    systems: all
    after: [disable, rotate-password, revoke-sessions, remove-access, clear-own-rules]
FLOW
# The shipped departure hears HR too: here it does not.
printf 'workflow: departure\nfor: person\non: { manual: true }\nsteps:\n  - { id: disable, action: account.disable, systems: all }\n' \
    >workflows/departure.yaml
{ "$usher" check && "$usher" people import people.csv --yes && "$usher" accounts sync; } >setup.log 2>&1 || { cat setup.log; exit 1; }
"$usher" serve >serve.log 2>&1 &
daemon=$!
up "$web"

cat >departures.py <<'MEASURE'
import os, subprocess, sys, time, urllib.request
usher, people, web, daemon, slapd, dovecot = sys.argv[1], *map(int, sys.argv[2:7])
tick = os.sysconf("SC_CLK_TCK")

def fields(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None

def spent(pid):  # with what its ended children have spent
    found = fields(pid)
    return sum(map(int, found[11:15])) / tick if found else 0

def of_session(leader):
    pids = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    return sum(spent(pid) for pid in pids if (found := fields(pid)) and int(found[3]) == leader)

def now():
    return spent(daemon), spent(slapd), of_session(dovecot)

def runs():
    text = urllib.request.urlopen(f"http://127.0.0.1:{web}/metrics").read().decode()
    found = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("usher_runs{")]
    return {name.split('"')[1]: int(float(count)) for name, count in found}

before, began = now(), time.monotonic()
own = os.times().children_user + os.times().children_system
subprocess.run([usher, "people", "import", "leavers.csv", "--yes"], check=True, stdout=open("import.log", "w"), stderr=subprocess.STDOUT)
command = os.times().children_user + os.times().children_system - own
seen = {}
while seen.get("completed", 0) < people:
    if time.monotonic() - began > 1800 or fields(daemon) is None:
        print(f"not everybody was let go: {seen}")
        break
    time.sleep(0.5)
    seen = runs()
took = time.monotonic() - began
usher_cpu, slapd_cpu, dovecot_cpu = (after - first for after, first in zip(now(), before))
usher_cpu += command
all_cpu = usher_cpu + slapd_cpu + dovecot_cpu
peak = next(line.split()[1] for line in open(f"/proc/{daemon}/status") if line.startswith("VmHWM"))
print(f"{people} departures in {took:.1f} s: {people / took:.1f} a second")
for name, cpu in (("usher", usher_cpu), ("slapd", slapd_cpu), ("Dovecot", dovecot_cpu)):
    print(f"  processor of {name:8} {cpu:7.2f} s  {100 * cpu / all_cpu:3.0f} %  {1000 * cpu / people:6.1f} ms a departure")
print(f"  of {os.cpu_count()} processors these three had {100 * all_cpu / took / os.cpu_count():.0f} %; usher's memory at most {int(peak) // 1024} MiB")
print(f"usher's share of the processor's time: {100 * usher_cpu / all_cpu:.0f} % (at most 33)")
sys.exit(seen.get("completed", 0) < people or usher_cpu > all_cpu / 3)
MEASURE
bad=0
python3 departures.py "$usher" "$people" "$web" "$daemon" "$slapd" "$dovecot" || { bad=1; tail -n 20 serve.log; }

# ── What the servers say ────────────────────────────────────────────────────────────────────────────────────────────────────
count() { # what, found, wanted
    printf '%-64s %6s (%s)\n' "$1" "$2" "$3"
    [ "$2" = "$3" ] || bad=1
}
found() { ldapsearch "${admin[@]}" -LLL -o ldif-wrap=no -E pr=500/noprompt -b "$1" "$2" "${@:3}" | grep -c '^dn:' || true; }
leavers='(&(objectClass=inetOrgPerson)(!(uid=boss)))'
count 'entries locked for good' "$(found ou=people,dc=example,dc=org "(&$leavers(pwdAccountLockedTime=000001010000Z))" 1.1)" "$people"
count 'entries hidden' "$(found ou=people,dc=example,dc=org "(&$leavers(employeeType=hidden))" 1.1)" "$people"
count 'entries in a group' "$(found ou=people,dc=example,dc=org "(&$leavers(memberOf=*))" 1.1)" 0
count 'memberships, but for the manager'"'"'s' "$(ldapsearch "${admin[@]}" -LLL -o ldif-wrap=no -b ou=groups,dc=example,dc=org \
    '(objectClass=groupOfNames)' member | grep '^member:' | grep -vc 'uid=boss,' || true)" 0
cat >looks.py <<'LOOKS'
import os, socket, subprocess, sys
ldap, imap, people = map(int, sys.argv[1:4])
names = ["boss"] + [f"p{number}" for number in range(1, people + 1)]
def binds(uid):
    asked = ["ldapwhoami", "-x", "-H", f"ldap://127.0.0.1:{ldap}", "-D", f"uid={uid},ou=people,dc=example,dc=org", "-w", f"first-Password-{uid}"]
    return subprocess.run(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
# From an address each: Dovecot makes whoever comes from where somebody was refused wait.
def signs_in(number, uid):
    own = f"127.1.{number // 250}.{number % 250 + 1}"
    line = socket.create_connection(("127.0.0.1", imap), source_address=(own, 0)).makefile("rw", newline="\r\n")
    line.readline()
    line.write(f'a LOGIN "{uid}@example.org" "first-Password-{uid}"\n')
    line.flush()
    while not (said := line.readline()).startswith("a "):
        pass
    return said.split()[1] == "OK"
def answers(uid):
    active = f"mail/{uid}/.dovecot.sieve"
    return os.path.exists(active) and "vacation" in open(active).read()
lines = dict(line.split(":", 2)[:2] for line in open("users"))
denied = {line.split(":")[0].strip() for line in open("deny")}
# The manager is let in: a server that refuses everybody would prove nothing.
assert binds("boss") == 0 and signs_in(0, "boss"), "the manager is shut out too"
out = names[1:]
print(sum(binds(uid) == 49 for uid in out), sum(not signs_in(number, uid) for number, uid in enumerate(out, 1)), sum(map(answers, out)),
      sum(f"{uid}@example.org" in denied for uid in out),
      sum(lines[f"{uid}@example.org"] != f"{{PLAIN}}first-Password-{uid}" for uid in out))
LOOKS
read -r binds imaps answers denied passwords < <(python3 looks.py "$ldap" "$imap" "$people")
count 'the directory refuses the old password' "$binds" "$people"
count 'IMAP refuses the old password' "$imaps" "$people"
count 'senders are answered' "$answers" "$people"
count 'names that Dovecot lets in nowhere' "$denied" "$people"
count 'passwords of mailboxes that are other ones' "$passwords" "$people"
for _ in $(seq 40); do [ ! -e sessions.ended ] || break; sleep 0.05; done
count 'sessions that were open and have ended' "$(cat sessions.ended 2>/dev/null || echo 0)" "$((people / 10))"
exit "$bad"
