# shellcheck shell=bash disable=SC2034
#
# For the scripts beside it that measure against a real Dovecot, which source it: a release build of usher, a folder that is
# gone afterwards, free ports, and a Dovecot in that folder. It needs Dovecot (Debian: dovecot-core dovecot-imapd), Python and,
# as root, Dovecot's user `dovecot`.
#
#   usher=$(built)              the program: $USHER, or a release build
#   furnished NAME              makes the folder $work and goes there
#   read -r imap http < <(ports 2)
#   configured <"" or <<CONF    dovecot.conf, with what the script has besides; it comes before all passdbs
#   started                     Dovecot, whose files are $work's; with `doveadm` to ask it
#   up PORT                     waits until somebody answers there
#
# The script's own `finish` is called at its end, if it has one.

built() {
    if [ -z "${USHER:-}" ]; then
        cargo build --release --quiet </dev/null
        USHER=${CARGO_TARGET_DIR:-target}/release/usher
    fi
    realpath "$USHER"
}

user=$(id -un) group=$(id -gn) as=() dovecot=''
if [ "$(id -u)" = 0 ]; then
    user=dovecot group=dovecot
    as=(setpriv "--reuid=$user" "--regid=$group" --clear-groups)
fi

ended() {
    if declare -F finish >/dev/null; then finish; fi
    if [ -n "$dovecot" ]; then
        kill -KILL -- "-$dovecot" || true
        wait "$dovecot" || true
    fi 2>/dev/null
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}

furnished() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/usher-$1.XXXXXX")
    chmod 755 "$work"
    trap ended EXIT
    cd "$work"
    mkdir run state mail
}

ports() {
    python3 -c 'import socket, sys
s = [socket.socket() for _ in range(int(sys.argv[1]))]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])' "$1"
}

up() {
    for _ in $(seq 400); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return || sleep 0.05; done
    echo "nothing answers on port $1"
    exit 1
}

# Accounts are lines of `users`, the master user is one of `masters`; doveadm's key is `topsecret`, also in the file `key`.
configured() {
    printf 'topsecret' >key
    cat >dovecot.conf <<CONF
base_dir = $work/run
state_dir = $work/state
log_path = $work/dovecot.log
listen = 127.0.0.1
protocols = imap
ssl = no
disable_plaintext_auth = no
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = 0
mail_home = $work/mail/%n
mail_location = maildir:~/Maildir
doveadm_api_key = topsecret
$(cat)
passdb {
  driver = passwd-file
  args = $work/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = username_format=%u $work/users
}
userdb {
  driver = passwd-file
  args = username_format=%u $work/users
  default_fields = uid=$user gid=$group
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = 0
  }
}
service doveadm {
  inet_listener http {
    address = 127.0.0.1
    port = $http
  }
}
service anvil {
  chroot =
}
$(for name in stats aggregator ipc director old-stats imap-urlauth-login; do printf 'service %s {\n  chroot =\n}\n' "$name"; done)
CONF
}

started() {
    [ "$(id -u)" != 0 ] || chown -R "$user:$group" run state mail users masters dovecot.conf .
    setsid "${as[@]}" /usr/sbin/dovecot -F -c "$work/dovecot.conf" >dovecot.out 2>&1 &
    dovecot=$!
    up "$imap" && up "$http"
}

doveadm() { "${as[@]}" /usr/bin/doveadm -c "$work/dovecot.conf" "$@"; }
