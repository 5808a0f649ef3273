#!/usr/bin/env bash
# Installs the clients that `npm run test:clients` runs, each in the version that FINDINGS.md names. What is there already
# is left alone, and what cannot be installed is said: the suites fail without it under CI=true.
set -uo pipefail
cd "$(dirname "$0")/../../.."

KAFKA_VERSION=4.3.1
PACKAGES=(kcat python3-kafka python3-confluent-kafka default-jdk-headless maven)
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

if [ ! -e "$CLIENTS/java-$KAFKA_VERSION/complete" ]; then
  echo "fetching kafka-clients and kafka-tools $KAFKA_VERSION"
  mkdir -p "$CLIENTS/java-$KAFKA_VERSION"
  sed "s/KAFKA_VERSION/$KAFKA_VERSION/" test/clients/external/java/pom.xml >"$CLIENTS/java-$KAFKA_VERSION/pom.xml"
  if mvn -q -B -f "$CLIENTS/java-$KAFKA_VERSION/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory=jars -DincludeScope=runtime >"$CLIENTS/maven.log" 2>&1; then
    touch "$CLIENTS/java-$KAFKA_VERSION/complete"
  else
    echo "CANNOT FETCH kafka-clients $KAFKA_VERSION: see $CLIENTS/maven.log" >&2
  fi
fi
