#!/bin/sh
# Whether the Redis that start.sh started answers; for a container's health check. Settings as there.
set -eu
secrets=${SECRETS_DIR:-/run/secrets}
VALKEYCLI_AUTH=$(tr -d '\r\n' <"$secrets/redis_admin_password")
REDISCLI_AUTH=$VALKEYCLI_AUTH
export VALKEYCLI_AUTH REDISCLI_AUTH
client=$(command -v valkey-cli || command -v redis-cli)
[ "$("$client" -s "${REDIS_RUN_DIR:-/tmp}/redis.sock" --user admin ping)" = PONG ]
