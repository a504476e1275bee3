#!/usr/bin/env bash
#
# What it costs to archive a mailbox by IMAP: its time beside that of `doveadm backup` of the same mailbox, and the peak of
# usher's memory (VmHWM). A real Dovecot in a temporary folder, 2 GB of mail in four folders, or as many MB as the argument says.
# Prints the figures beside their limits; exit code 1 when one is over.
#
#   tests/archive.sh                      a release build, 2048 MB
#   USHER=path/to/usher tests/archive.sh 512
#
# Needs Dovecot (Debian: dovecot-core dovecot-imapd) and, as root, its user `dovecot`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source tests/dovecot.sh

usher=$(built)
megabytes=${1:-2048}
daemon=''
finish() { [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true; }
furnished archive
read -r imap http web < <(ports 3)

# Mail as it is: letters with an attachment in BASE64 now and then, 50 kB on average.
python3 - "$megabytes" <<'MAIL'
import base64, os, random, sys
random.seed(7)
words = open("/proc/cpuinfo").read().split() + "the and of to meeting offer order invoice see attached kind regards".split()
left, number = int(sys.argv[1]) * 1000 * 1000, 0
folders = ["", ".Projects", ".Projects.2026", ".Sent"]
for name in folders:
    for part in ("cur", "new", "tmp"):
        os.makedirs(f"mail/ada/Maildir/{name}/{part}".replace("//", "/"))
while left > 0:
    number += 1
    text = " ".join(random.choices(words, k=random.randint(50, 600)))
    body = "\r\n".join(text[at:at + 70] for at in range(0, len(text), 70))
    if number % 5 == 0:
        body += "\r\n" + base64.encodebytes(os.urandom(random.randint(50_000, 300_000))).decode().replace("\n", "\r\n")
    mail = f"From: <client{number % 97}@partner.example>\r\nTo: <ada@example.org>\r\nSubject: Mail {number}\r\n" \
        f"Message-ID: <{number}@partner.example>\r\n\r\n{body}\r\n".encode()
    folder = folders[number % 4]
    with open(f"mail/ada/Maildir/{folder}/cur/{1700000000 + number}.M{number}.host,S={len(mail)}:2,S", "wb") as file:
        file.write(mail)
    left -= len(mail)
MAIL
printf 'ada@example.org:{PLAIN}x::::::\n' >users
printf 'usher@example.org:{PLAIN}master::::::\n' >masters
printf 'master' >master
configured </dev/null
started

bad=0
figure() { # name, value, limit, unit, least or most
    printf '%-52s %9s %s (%s %s)\n' "$1" "$2" "$4" "$5" "$3"
    if [ "$5" = 'at most' ]; then [ "$2" -le "$3" ] || bad=1; else [ "$2" -ge "$3" ] || bad=1; fi
}

# Once for the indexes of both; then measured.
doveadm index -u ada@example.org '*'
mkdir backup && { [ "$(id -u)" != 0 ] || chown "$user:$group" backup; }
began=$(date +%s%3N)
doveadm backup -u ada@example.org "maildir:$work/backup/Maildir"
backup=$(($(date +%s%3N) - began))
rm -rf backup

cat >usher.toml <<CONF
[database]
url = "sqlite:usher.db"
[serve]
listen = "127.0.0.1:$web"
[workflows]
folder = "workflows"
[archive]
folder = "archives"
[systems.mailhost]
kind = "dovecot"
url = "http://127.0.0.1:$http"
api_key = { file = "key" }
imap = "imap://127.0.0.1:$imap"
tls = "none"
user = "usher@example.org"
password = { file = "master" }
CONF
mkdir workflows
cat >workflows/keep-mail.yaml <<'FLOW'
workflow: keep-mail
title: Keep the mail
for: person
on: { manual: true }
steps:
  - id: archive
    action: mail.archive
    systems: mailhost
FLOW
printf 'employee_number,given_name,family_name,email\n1001,Ada,Keller,ada@example.org\n' >people.csv
{ "$usher" check && "$usher" people import people.csv && "$usher" accounts sync; } >setup.log 2>&1 || { cat setup.log; exit 1; }
"$usher" serve >serve.log 2>&1 &
daemon=$!
up "$web"
base=$(awk '/^VmHWM/ { print $2 }' "/proc/$daemon/status")
began=$(date +%s%3N)
"$usher" run start keep-mail --person 1001 --now --yes >start.log 2>&1 || { cat start.log serve.log; exit 1; }
peak=0
until grep -qs 'manifest.json' < <(find archives -name manifest.json 2>/dev/null); do
    peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$daemon/status")
    [ $(($(date +%s%3N) - began)) -lt 900000 ] || { cat serve.log; exit 1; }
    sleep 0.05
done
archive=$(($(date +%s%3N) - began))
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$daemon/status")

echo "doveadm backup: $backup ms; usher's archive: $archive ms, $(du -sm archives | cut -f1) MB of $megabytes; memory before it began: $base KiB"
figure "speed of usher, doveadm backup is 100" $((backup * 100 / (archive + 1))) 50 '%' 'at least'
figure "peak of usher's memory" "$peak" 65536 KiB 'at most'
exit "$bad"
