#!/bin/sh
# Makes what Docker Compose needs before its first start: .env, and the files of ./secrets. Never changes one that is
# there: to change a password, delete its file, run this again, and restart everything.
#
#   sh deploy/secrets.sh                      everything on this machine
#   sh deploy/secrets.sh NAME-OR-ADDRESS...   also Redis' certificate, by which workers on other hosts reach it
#   sh deploy/secrets.sh worker               on a host that has workers alone
#
# The folder is for its owner alone. The files in it can be read by whoever gets into it, because a container sees them
# as they are here, under a user of its own.
set -eu
cd "$(dirname "$0")/.."
umask 022
days=3650

fail() {
    echo "error: $*" >&2
    exit 1
}

setting() { # a setting's value in .env, without quotes and a comment behind it
    sed -n "s/^$1=//p" .env | tail -n 1 | sed 's/[[:space:]]#.*//; s/[[:space:]]*$//' | tr -d "\"'\r"
}

random() { # 48 hexadecimal digits
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

make_password() {
    if [ ! -s "secrets/$1" ]; then
        random >"secrets/$1"
        echo "made secrets/$1"
    fi
}

make_certificate() { # a certificate authority of this installation's own, and Redis' certificate by it
    command -v openssl >/dev/null || fail "openssl was not found. Debian: sudo apt install openssl. macOS has it."
    if [ -s secrets/redis_tls_ca ] && [ ! -s secrets/redis_tls_ca_key ]; then
        fail "secrets/redis_tls_ca is there, but not its key, secrets/redis_tls_ca_key. Bring that back, or delete redis_tls_* and hand the new redis_tls_ca to the workers' hosts."
    fi
    names=DNS:redis,DNS:localhost,IP:127.0.0.1
    for name in "$@"; do
        case $name in
        *[!0-9a-zA-Z.:-]*) fail "'$name' is neither a name nor an address of a host." ;;
        *[!0-9a-fA-F.:]*) names=$names,DNS:$name ;;
        *.*.*.* | *:*) names=$names,IP:$name ;;
        *) names=$names,DNS:$name ;;
        esac
    done
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # All that Python and Redis look for, whatever the defaults of this openssl.
    printf '%s\n' "[req]" "distinguished_name = name" "[name]" \
        "[authority]" "basicConstraints = critical, CA:TRUE, pathlen:0" "keyUsage = critical, keyCertSign, cRLSign" \
        "subjectKeyIdentifier = hash" "authorityKeyIdentifier = keyid:always" \
        "[server]" "basicConstraints = critical, CA:FALSE" "keyUsage = critical, digitalSignature" \
        "extendedKeyUsage = serverAuth" "subjectKeyIdentifier = hash" "authorityKeyIdentifier = keyid:always" \
        "subjectAltName = $names" >"$work/openssl.cnf"
    new="req -config $work/openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256"
    if [ ! -s secrets/redis_tls_ca ]; then
        # shellcheck disable=SC2086 # several words
        openssl $new -x509 -extensions authority -days "$days" -subj "/CN=Galvanic" \
            -keyout "$work/ca_key" -out "$work/ca" 2>"$work/errors" || openssl_failed "a certificate authority"
        keep ca ca_key
        chmod 600 secrets/redis_tls_ca_key
    fi
    if [ -s secrets/redis_tls_cert ] && [ -s secrets/redis_tls_key ]; then
        echo "secrets/redis_tls_cert is there already. For other names delete it, and run this again"
        return
    fi
    # shellcheck disable=SC2086 # several words
    openssl $new -subj "/CN=Redis of Galvanic" -keyout "$work/key" -out "$work/request" 2>"$work/errors" &&
        openssl x509 -req -in "$work/request" -CA secrets/redis_tls_ca -CAkey secrets/redis_tls_ca_key \
            -set_serial "0x1$(random | cut -c 1-30)" -days "$days" -sha256 -extfile "$work/openssl.cnf" \
            -extensions server -out "$work/cert" 2>"$work/errors" || openssl_failed "a certificate for $names"
    keep cert key
    echo "  for $names"
}

openssl_failed() {
    cat "$work/errors" >&2
    fail "openssl ($(openssl version)) could not make $1."
}

keep() { # what was made in full, and not before
    for part in "$@"; do
        chmod 644 "$work/$part"
        mv "$work/$part" "secrets/redis_tls_$part"
        echo "made secrets/redis_tls_$part"
    done
}

mkdir -p secrets
chmod 700 secrets
if [ ! -e .env ]; then
    profile=cpu
    if [ -e /proc/driver/nvidia/version ] || nvidia-smi >/dev/null 2>&1; then profile=gpu; fi
    sed "s/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=$profile/" .env.example >.env
    chmod 600 .env
    echo "made .env from .env.example, with COMPOSE_PROFILES=$profile"
elif [ -z "$(setting COMPOSE_PROFILES)" ] && [ -z "$(setting COMPOSE_FILE)" ]; then
    echo "note: .env says neither COMPOSE_PROFILES=cpu nor COMPOSE_PROFILES=gpu; Docker Compose will ask for it"
fi
if [ ! -e secrets/s3_credentials ]; then
    printf '%s\n' "# The keys of MODEL_STORE=s3://..., as the AWS tools have them in ~/.aws/credentials:" "#[default]" \
        "#aws_access_key_id = ..." "#aws_secret_access_key = ..." >secrets/s3_credentials
fi

if [ "${1:-}" = worker ]; then
    [ $# = 1 ] || fail "after 'worker' comes nothing more."
    missing=""
    for name in redis_worker_password redis_tls_ca; do
        [ -s "secrets/$name" ] || missing="$missing secrets/$name"
    done
    if [ -n "$missing" ]; then
        echo "left to do: copy from the bot's host, where they are named the same:$missing"
    fi
    for name in REDIS_HOST MODEL_STORE; do
        [ -n "$(setting $name)" ] || echo "left to do: set $name in .env"
    done
    [ "$(setting COMPOSE_FILE)" = deploy/worker.compose.yml ] || echo "left to do: set COMPOSE_FILE=deploy/worker.compose.yml in .env"
    echo "then: docker compose up -d --build"
    exit
fi

(umask 022; mkdir -p corpora) # else Docker makes it, and root owns it
for who in bot worker admin; do make_password "redis_${who}_password"; done
[ $# = 0 ] || make_certificate "$@"
if [ ! -s secrets/discord_token ]; then
    setting DISCORD_TOKEN | tr -d '\n' >secrets/discord_token
    if [ -s secrets/discord_token ]; then echo "took the bot's token from .env into secrets/discord_token"; fi
fi
if [ ! -s secrets/discord_token ]; then
    echo "left to do: put the bot's token into secrets/discord_token (docs/discord.md says where it comes from)"
fi
if [ $# != 0 ]; then
    [ "$(setting COMPOSE_FILE)" = deploy/bot.compose.yml ] || echo "left to do: set COMPOSE_FILE=deploy/bot.compose.yml in .env"
    [ -n "$(setting REDIS_PUBLISH)" ] || echo "left to do: set REDIS_PUBLISH in .env to the address that the workers' hosts reach"
    echo "left to do: copy secrets/redis_worker_password and secrets/redis_tls_ca to secrets/ on each worker's host"
fi
echo "then: docker compose up -d --build"
