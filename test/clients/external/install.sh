#!/usr/bin/env bash
# Installs the clients that `npm run test:clients` runs, each in the version that FINDINGS.md names. What is there already
# is left alone, and what cannot be installed is said: the suites fail without it under CI=true.
set -uo pipefail
cd "$(dirname "$0")/../../.."

KAFKA_VERSION=4.3.1
OLDER_CLIENTS_VERSION=3.9.1
NODE_RDKAFKA_VERSION=3.6.1
PACKAGES=(kcat python3-kafka python3-confluent-kafka default-jdk-headless maven rsyslog rsyslog-kafka bsdutils)
# What node-rdkafka is built with: without libzstd-dev it has no zstd.
PACKAGES+=(build-essential libzstd-dev zlib1g-dev)
CLIENTS=dist/clients
mkdir -p "$CLIENTS"
missing=()

for package in "${PACKAGES[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
# A JDK and Maven may be there without Debian's packages.
if command -v javac >/dev/null; then missing=("${missing[@]/default-jdk-headless/}"); fi
if command -v mvn >/dev/null; then missing=("${missing[@]/maven/}"); fi
wanted=$(echo "${missing[*]}" | xargs)
if [ -n "$wanted" ]; then
  echo "installing $wanted"
  # shellcheck disable=SC2086 # one word for each package
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted; } >"$CLIENTS/apt.log" 2>&1 ||
    echo "CANNOT INSTALL $wanted: see $CLIENTS/apt.log" >&2
fi

# fetch_jars NAME POM VERSION: the jars of a Maven project in $CLIENTS/NAME/jars, again where the project has changed.
fetch_jars() {
  local target=$CLIENTS/$1
  local project
  project=$(sed "s/KAFKA_VERSION/$3/" "test/clients/external/java/$2")
  if [ -e "$target/complete" ] && [ "$project" = "$(cat "$target/pom.xml")" ]; then return; fi
  echo "fetching $1"
  rm -rf "$target"
  mkdir -p "$target"
  echo "$project" >"$target/pom.xml"
  if mvn -q -B -f "$target/pom.xml" dependency:copy-dependencies -DoutputDirectory=jars -DincludeScope=runtime \
    >"$target/maven.log" 2>&1; then
    touch "$target/complete"
  else
    echo "CANNOT FETCH $1: see $target/maven.log" >&2
  fi
}

fetch_jars "java-$KAFKA_VERSION" pom.xml "$KAFKA_VERSION"
fetch_jars "kafka-clients-$OLDER_CLIENTS_VERSION" older-clients.xml "$OLDER_CLIENTS_VERSION"

# node-rdkafka brings librdkafka's source along and builds it, which takes minutes.
rdkafka="$CLIENTS/node-rdkafka-$NODE_RDKAFKA_VERSION"
if [ ! -e "$rdkafka/complete" ]; then
  echo "building node-rdkafka $NODE_RDKAFKA_VERSION"
  mkdir -p "$rdkafka/bin"
  # Its build is an install script. npm 11 warns of those that are not named here, and means to refuse them later.
  echo '{ "private": true, "allowScripts": { "node-rdkafka": true } }' >"$rdkafka/package.json"
  # Its outer make breaks with several jobs, and hands librdkafka's one job only: this one gives the inner make two.
  # shellcheck disable=SC2016 # it is for that make to expand
  printf '#!/bin/sh\nMAKEFLAGS= exec %s ${MAKELEVEL:+-j2} "$@"\n' "$(command -v make)" >"$rdkafka/bin/make"
  chmod +x "$rdkafka/bin/make"
  if MAKELEVEL='' PATH="$PWD/$rdkafka/bin:$PATH" nice npm install --prefix "$rdkafka" --no-audit --no-fund --no-package-lock \
    --save-exact "node-rdkafka@$NODE_RDKAFKA_VERSION" >"$CLIENTS/node-rdkafka.log" 2>&1 &&
    (cd "$rdkafka" && node --eval 'require("node-rdkafka")') >>"$CLIENTS/node-rdkafka.log" 2>&1; then
    # Sources and objects are not needed any more.
    rm -rf "$rdkafka/node_modules/node-rdkafka/deps" "$rdkafka/node_modules/node-rdkafka/build/Release/obj.target"
    touch "$rdkafka/complete"
  else
    echo "CANNOT BUILD node-rdkafka $NODE_RDKAFKA_VERSION: see $CLIENTS/node-rdkafka.log" >&2
  fi
fi
