#!/usr/bin/env bash
# Installs what `npm run bench:peers` measures Millrace against, and builds the programs that make the load. What is there
# already is left alone, and what cannot be installed is said: the rows of that peer are then missing, and said to be.
set -uo pipefail
cd "$(dirname "$0")/../.."

KAFKA_VERSION=4.3.1
NATS_VERSION=2.15.2
PACKAGES=(redis-server librdkafka-dev pkg-config liblz4-dev gcc libc6-dev default-jre-headless maven golang-go)
PEERS=$PWD/dist/peers
LOAD=$PWD/bench/peers/load
mkdir -p "$PEERS/bin"
failed=0

cannot() {
  echo "CANNOT $1" >&2
  failed=1
}

missing=()
for package in "${PACKAGES[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
# These may be there without Debian's packages.
if command -v java >/dev/null; then missing=("${missing[@]/default-jre-headless/}"); fi
if command -v mvn >/dev/null; then missing=("${missing[@]/maven/}"); fi
if command -v go >/dev/null; then missing=("${missing[@]/golang-go/}"); fi
wanted=$(echo "${missing[*]:-}" | xargs)
if [ -n "$wanted" ]; then
  echo "installing $wanted"
  # shellcheck disable=SC2086 # one word for each package; the run level keeps Redis from being started as a service
  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted; } \
    >"$PEERS/apt.log" 2>&1 || cannot "INSTALL $wanted: see $PEERS/apt.log"
fi

kafka="$PEERS/kafka-$KAFKA_VERSION"
project=$(sed "s/KAFKA_VERSION/$KAFKA_VERSION/" bench/peers/kafka-pom.xml)
if [ ! -e "$kafka/complete" ] || [ "$project" != "$(cat "$kafka/pom.xml")" ]; then
  echo "fetching Kafka $KAFKA_VERSION"
  rm -rf "$PEERS"/kafka-*
  mkdir -p "$kafka"
  echo "$project" >"$kafka/pom.xml"
  if mvn -q -B -f "$kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory=jars -DincludeScope=runtime >"$PEERS/maven.log" 2>&1; then
    touch "$kafka/complete"
  else
    cannot "FETCH Kafka $KAFKA_VERSION: see $PEERS/maven.log"
  fi
fi

if [ "$("$PEERS/bin/nats-server" --version 2>/dev/null)" != "nats-server: v$NATS_VERSION" ]; then
  echo "building nats-server $NATS_VERSION"
  GOBIN="$PEERS/bin" go install "github.com/nats-io/nats-server/v2@v$NATS_VERSION" >"$PEERS/nats.log" 2>&1 ||
    cannot "BUILD nats-server $NATS_VERSION: see $PEERS/nats.log"
fi
(cd "$LOAD/nats" && go build -o "$PEERS/bin/nats-load" .) >"$PEERS/nats-load.log" 2>&1 ||
  cannot "BUILD nats-load: see $PEERS/nats-load.log"

# build_c NAME LIBRARIES...
build_c() {
  local name=$1
  shift
  if [ "$PEERS/bin/$name" -nt "$LOAD/$name.c" ] && [ "$PEERS/bin/$name" -nt "$LOAD/load.h" ]; then return; fi
  gcc -std=gnu11 -O2 -g -Wall -Wextra -o "$PEERS/bin/$name" "$LOAD/$name.c" "$@" >"$PEERS/$name.log" 2>&1 ||
    cannot "BUILD $name: see $PEERS/$name.log"
}
# The checksum of record batches takes the processor's own instruction where there is one.
build_c kafka-wire $([ "$(uname -m)" = x86_64 ] && echo -msse4.2) -llz4
build_c rdkafka-load -lrdkafka -lpthread
build_c redis-load -lpthread
exit "$failed"
