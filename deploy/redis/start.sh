#!/bin/sh
# Starts Redis (or Valkey) with the users of users.acl, and over TLS where it is given a certificate. For a container
# with a read-only root, and for anywhere else. POSIX, and no more than busybox has.
#
#   SECRETS_DIR      /run/secrets: files redis_bot_password, redis_worker_password, redis_admin_password;
#                    for TLS redis_tls_cert and redis_tls_key (PEM), and redis_tls_ca if clients have certificates
#   REDIS_DATA_DIR   /data: the append-only file
#   REDIS_RUN_DIR    /tmp: generated users.acl, socket for health.sh; for this user alone
#   REDIS_BIND       addresses to listen on ("* -::*": all)
#   REDIS_PORT       6379, without TLS; 0: none
#   REDIS_TLS_PORT   6380, once there is a certificate
#   REDIS_TLS_CLIENTS  yes: only clients with a certificate of redis_tls_ca; optional; no
#   REDIS_MAXMEMORY  0, which is no limit; such as 1536mb: then Redis refuses writes, and all wait, where it would be killed
#   REDIS_SERVER     the program: valkey-server or redis-server
#
# No password is ever an argument or a variable: Redis gets hashes, in a file.
set -eu
umask 077

here=$(dirname "$0")
secrets=${SECRETS_DIR:-/run/secrets}
data=${REDIS_DATA_DIR:-/data}
run=${REDIS_RUN_DIR:-/tmp}
least=16

fail() {
    echo "error: $*" >&2
    exit 1
}

hash_of() { # the SHA-256 of a password's file, without the end of its line
    file="$secrets/redis_$1_password"
    [ -r "$file" ] || fail "the file $file is not there, or not for $(id -un 2>/dev/null || id -u) to read. Make it: openssl rand -hex 24 > $file"
    [ "$(tr -d '\r\n' <"$file" | wc -c)" -ge "$least" ] || fail "the password in $file has fewer than $least characters. Make another: openssl rand -hex 24 > $file"
    if command -v sha256sum >/dev/null; then
        tr -d '\r\n' <"$file" | sha256sum
    else
        tr -d '\r\n' <"$file" | shasum -a 256
    fi | cut -c 1-64
}

if [ -n "${REDIS_SERVER:-}" ]; then
    server=$REDIS_SERVER
else
    server=$(command -v valkey-server || command -v redis-server) || fail "there is neither valkey-server nor redis-server on the PATH."
fi
[ -w "$data" ] || fail "the folder $data is not there, or cannot be written to. Name another one with REDIS_DATA_DIR."
[ -w "$run" ] || fail "the folder $run is not there, or cannot be written to. Name another one with REDIS_RUN_DIR."
# Redis works in the folder of its data, so the others need whole paths.
data=$(cd "$data" && pwd)
run=$(cd "$run" && pwd)
[ ! -d "$secrets" ] || secrets=$(cd "$secrets" && pwd)

# Each on a line of its own, so that a failure ends the script.
bot=$(hash_of bot)
worker=$(hash_of worker)
admin=$(hash_of admin)
if [ "$bot" = "$worker" ] || [ "$bot" = "$admin" ] || [ "$worker" = "$admin" ]; then
    fail "two of the users have the same password in $secrets. Each needs its own: openssl rand -hex 24"
fi
rm -f "$run/users.acl"
awk -v bot="$bot" -v worker="$worker" -v admin="$admin" '
    /^#/ || /^[ \t]*$/ { next }
    { gsub(/@BOT_PASSWORD@/, bot); gsub(/@WORKER_PASSWORD@/, worker); gsub(/@ADMIN_PASSWORD@/, admin) }
    /^[ \t]/ { sub(/^[ \t]+/, " "); line = line $0; next }
    { if (line != "") print line; line = $0 }
    END { if (line != "") print line }
' "$here/users.acl" >"$run/users.acl"

tls=""
if [ -e "$secrets/redis_tls_cert" ] || [ -e "$secrets/redis_tls_key" ]; then
    for name in cert key; do
        [ -r "$secrets/redis_tls_$name" ] || fail "for TLS Redis needs both redis_tls_cert and redis_tls_key in $secrets, and redis_tls_$name cannot be read."
    done
    tls="tls-port ${REDIS_TLS_PORT:-6380}
tls-cert-file \"$secrets/redis_tls_cert\"
tls-key-file \"$secrets/redis_tls_key\""
    if [ -e "$secrets/redis_tls_ca" ]; then
        tls="$tls
tls-ca-cert-file \"$secrets/redis_tls_ca\"
tls-auth-clients ${REDIS_TLS_CLIENTS:-optional}"
    elif [ "${REDIS_TLS_CLIENTS:-no}" = no ]; then
        tls="$tls
tls-auth-clients no"
    else
        fail "REDIS_TLS_CLIENTS=$REDIS_TLS_CLIENTS needs redis_tls_ca in $secrets, which says whose certificates clients may have."
    fi
elif [ "${REDIS_PORT:-6379}" = 0 ]; then
    fail "REDIS_PORT is 0 and there is no certificate (redis_tls_cert, redis_tls_key) in $secrets, so nobody could reach Redis."
fi

exec "$server" - <<END
bind ${REDIS_BIND:-* -::*}
port ${REDIS_PORT:-6379}
$tls
unixsocket "$run/redis.sock"
unixsocketperm 700
aclfile "$run/users.acl"
acllog-max-len 128
dir "$data"
appendonly yes
appendfsync everysec
# What was deleted leaves the disk when the file is rewritten: once it has this size and grew by this share.
# Heartbeats alone write 8 MB in about a day. Redis' own 100 % would keep it for weeks beside much data.
auto-aof-rewrite-min-size 8mb
auto-aof-rewrite-percentage 10
save ""
# A stream takes this much at least, and each text has one for a month.
stream-node-max-bytes 512
maxmemory ${REDIS_MAXMEMORY:-0}
maxmemory-policy noeviction
END
