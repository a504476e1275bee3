#!/usr/bin/env bash
#
# usher's mail against a real server: Postfix, with STARTTLS required on one port and TLS from the first byte on another, logins
# checked by Dovecot, recipients that are refused, and greylisting (of `usher mail test`, and of a workflow's mail that the daemon sends again by itself), in a temporary folder, on free ports of 127.0.0.1. Needs root (Postfix does), postfix, dovecot-core and openssl; tests/run.sh installs
# them. The first argument is the usher program.
set -euo pipefail
usher=$(realpath "${1:?which usher program?}")
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-postfix.XXXXXX")
chmod 755 "$work"
dovecot=''
daemon=''
started=''

fail() {
    printf 'tests/postfix.sh: %s\n' "$*" >&2
    cat "$work"/*.log "$work"/*.out >&2 2>/dev/null || true
    exit 1
}

finish() {
    local code=$?
    trap - EXIT
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    if [ -n "$started" ]; then
        postfix -c "$work/etc" stop >/dev/null 2>&1 || true
    fi
    if [ -n "$dovecot" ]; then
        kill "$dovecot" 2>/dev/null || true
        wait "$dovecot" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'printf "tests/postfix.sh: line %s failed: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR
trap 'exit 130' INT
trap 'exit 143' TERM

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
    fail 'no free port was found'
}

wait_for_port() {
    for _ in $(seq 200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
            return
        fi
        sleep 0.05
    done
    fail "nothing answers on port $1"
}

certificates() {
    mkdir "$work/tls"
    (
        cd "$work/tls"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj '/CN=usher test CA' \
            -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
            -keyout key.pem -out leaf.csr
        printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1\n' >ext
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out cert.pem
    ) 2>"$work/openssl.log" || fail 'no certificates'
}

start_dovecot() {
    auth=$(free_port)
    echo 'usher:{PLAIN}s3cret' >"$work/users"
    mkdir "$work/dovecot"
    cat >"$work/dovecot.conf" <<C
protocols =
base_dir = $work/dovecot
log_path = $work/dovecot.log
ssl = no
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = $work/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = $auth
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
C
    dovecot -F -c "$work/dovecot.conf" >"$work/dovecot.out" 2>&1 &
    dovecot=$!
    wait_for_port "$auth"
}

start_postfix() {
    submission=$(free_port)
    submissions=$(free_port)
    mkdir -p "$work/etc" "$work/queue" "$work/data" "$work/mail" "$work/seen"
    chown postfix:root "$work/data"
    chown nobody "$work/mail" "$work/seen"
    printf '%s\n' 'ada@example.org ada/' 'grey@example.org grey/' 'later@example.org later/' >"$work/etc/mailboxes"
    # Greylisting: whoever is met for the first time is asked to come back.
    cat >"$work/policy.sh" <<P
while read -r line; do
    case \$line in
        recipient=*) recipient=\${line#recipient=} ;;
        '')
            greylisted=''
            case \$recipient in grey@example.org | later@example.org) greylisted=yes ;; esac
            if [ -z "\$greylisted" ] || [ -e "$work/seen/\$recipient" ]; then
                printf 'action=dunno\n\n'
            else
                : >"$work/seen/\$recipient"
                printf 'action=450 4.7.1 Greylisted, come back later\n\n'
            fi
            ;;
    esac
done
P
    cat >"$work/etc/main.cf" <<C
compatibility_level = 3.6
queue_directory = $work/queue
data_directory = $work/data
maillog_file = $work/postfix.log
maillog_file_prefixes = $work
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.org
mydestination =
mynetworks =
alias_maps =
local_transport = error:no local delivery
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = example.org
virtual_mailbox_base = $work/mail
virtual_mailbox_maps = texthash:$work/etc/mailboxes
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = $work/tls/cert.pem
smtpd_tls_key_file = $work/tls/key.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_policy_service unix:private/policy
C
    {
        echo "127.0.0.1:$submission inet n - n - - smtpd"
        echo "127.0.0.1:$submissions inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"
        echo "policy unix - n n - 0 spawn user=nobody argv=/bin/bash $work/policy.sh"
        cat <<'C'
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
proxymap  unix  - - n -     - proxymap
error     unix  - - n -     - error
retry     unix  - - n -     - error
virtual   unix  - n n -     - virtual
anvil     unix  - - n -     1 anvil
postlog   unix-dgram n - n - 1 postlogd
C
    } >"$work/etc/master.cf"
    postfix -c "$work/etc" start >"$work/postfix.out" 2>&1 || fail 'Postfix does not start'
    started=yes
    wait_for_port "$submission"
    wait_for_port "$submissions"
}

# configure PORT TLS
configure() {
    cat >"$work/usher.toml" <<C
[database]
url = "sqlite:usher.db"
[mail]
transport = "smtp"
host = "127.0.0.1"
port = $1
tls = "$2"
user = "usher"
password = { env = "USHER_TEST_PASSWORD" }
ca = "tls/ca.pem"
from = "usher <usher@example.org>"
C
}

certificates
start_dovecot
start_postfix
configure "$submission" starttls
cd "$work"

send() {
    code=0
    said=$(USHER_TEST_PASSWORD=${2:-s3cret} "$usher" mail test --to "$1" 2>&1) || code=$?
}

# is CODE WORDS: how the last sending ended.
is() {
    [ "$code" -eq "$1" ] || fail "it ended with $code: $said"
    case $said in
        *"$2"*) ;;
        *) fail "it does not say '$2': $said" ;;
    esac
}

# A workflow's mail that is greylisted: the daemon tries it again by itself, a minute later. The rest of this test goes on meanwhile.
mkdir workflows
cat >>usher.toml <<C
[serve]
listen = "127.0.0.1:$(free_port)"
[workflows]
folder = "workflows"
C
cat >workflows/greet.yaml <<'C'
workflow: greet
for: person
on: { manual: true }
steps:
  - id: greet
    action: notify.email
    with: { to: "{{ person.email }}", subject: Greetings, message: "Hello, {{ person.given_name }}." }
C
printf 'employee_number,given_name,family_name,email\n1,Lea,Later,later@example.org\n' >people.csv
"$usher" people import people.csv --yes >import.out 2>&1 || fail 'the person is not taken in'
USHER_TEST_PASSWORD=s3cret "$usher" serve >serve.log 2>&1 &
daemon=$!
"$usher" run start greet --person 1 --now --yes >start.out 2>&1 || fail 'the run does not start'
for _ in $(seq 200); do
    queued=$("$usher" mail list --json)
    case $queued in *'Greylisted, come back later'*) break ;; esac
    sleep 0.1
done
case $queued in *'Greylisted, come back later'*) ;; *) fail "the mail of a workflow was not greylisted: $queued" ;; esac
[ -z "$(find "$work/mail" -path '*/later/new/*' -type f 2>/dev/null)" ] || fail 'what was greylisted has arrived'
greylisted=$SECONDS

said=$(USHER_TEST_PASSWORD=s3cret "$usher" mail test --to ada@example.org) || fail "not sent: $said"
case $said in
    *'accepted by 127.0.0.1: 250 '*'queued as'*) ;;
    *) fail "another answer: $said" ;;
esac
for _ in $(seq 200); do
    mail=$(find "$work/mail" -path '*/ada/new/*' -type f 2>/dev/null | head -n 1 || true)
    [ -n "$mail" ] && break
    sleep 0.05
done
[ -n "$mail" ] || fail 'the mail did not arrive'
for line in 'with ESMTPSA' 'Auto-Submitted: auto-generated' 'Subject: A test from usher' 'Message-ID: <'; do
    grep -q "$line" "$mail" || fail "the mail has no: $line"
done

send ada@example.org wrong
is 5 535

# A mailbox that is not there is refused for good, in the server's words; one that is greylisted is accepted the second time.
send nobody@example.org
is 5 '(550): 5.1.1'
send grey@example.org
is 5 'Greylisted, come back later'
send grey@example.org
is 0 'accepted by 127.0.0.1: 250 '

USHER_TEST_PASSWORD=s3cret "$usher" doctor --json >"$work/doctor.out" || true
grep -q "(starttls, as usher) answers" "$work/doctor.out" || fail 'doctor does not find the server'

# TLS from the first byte, and nothing in the clear before it.
configure "$submissions" tls
send ada@example.org
is 0 'accepted by 127.0.0.1: 250 '
send ada@example.org wrong
is 5 535
USHER_TEST_PASSWORD=s3cret "$usher" doctor --json >"$work/doctor.out" || true
grep -q "(tls, as usher) answers" "$work/doctor.out" || fail 'doctor does not find the server by TLS'
# The other way in is none here: whoever expects STARTTLS waits for words that do not come, and nothing is sent.
configure "$submission" tls
send ada@example.org
[ "$code" -eq 5 ] || fail "TLS where STARTTLS is spoken ended with $code: $said"

# Nobody has done anything about the mail that was greylisted, and it is there, once, with the step's Message-ID.
for _ in $(seq 900); do
    arrived=$(find "$work/mail" -path '*/later/new/*' -type f 2>/dev/null | wc -l)
    [ "$arrived" -gt 0 ] && break
    [ $((SECONDS - greylisted)) -lt 90 ] || break
    sleep 0.1
done
[ "$arrived" -eq 1 ] || fail "$arrived mails arrived of the one that was greylisted: $("$usher" mail list --json)"
mail=$(find "$work/mail" -path '*/later/new/*' -type f)
grep -q 'Subject: Greetings' "$mail" && grep -q 'Hello, Lea' "$mail" || fail 'it is another mail'
for _ in $(seq 100); do
    list=$("$usher" mail list --json)
    case $list in *'"sent"'*) break ;; esac
    sleep 0.1
done
case $list in *'"sent"'*) ;; *) fail "the outbox does not say that it was sent: $list" ;; esac
refused=$(grep -c '<later@example.org>.*Greylisted, come back later' postfix.log || true)
[ "$refused" -eq 1 ] || fail "it was refused $refused times"
kill "$daemon"
wait "$daemon" || fail 'the daemon did not stop as it should'
daemon=''

# Away, and back.
configure "$submission" starttls
postfix -c "$work/etc" stop >"$work/postfix.out" 2>&1
started=''
send ada@example.org
is 5 '127.0.0.1'
postfix -c "$work/etc" start >"$work/postfix.out" 2>&1 || fail 'Postfix does not start again'
started=yes
wait_for_port "$submission"
send ada@example.org
is 0 'accepted by 127.0.0.1: 250 '
for _ in $(seq 200); do
    mails=$(find "$work/mail" -path '*/new/*' -type f 2>/dev/null | wc -l)
    [ "$mails" -eq 5 ] && break
    sleep 0.05
done
[ "$mails" -eq 5 ] || fail "$mails mails arrived, not each that was accepted, once"
echo "Postfix $(postconf -c "$work/etc" -h mail_version): STARTTLS, TLS, login, delivery, greylisting (a workflow's mail too), a refused mailbox, a wrong password, a server that is away"
