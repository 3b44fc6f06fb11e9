#!/usr/bin/env bash
# Installs what the tests marked `service` need and the machine lacks. Debian; other systems: install by hand.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/otel-genai-cost
jars=$cache/kafka
servers=(pubsub temporal)  # made of Go's modules: minutes, once
declare -A packages=(
  [chromium]=chromium [redis-server]=redis-server [rabbitmq-server]=rabbitmq-server [nats-server]=nats-server
  [pg_ctlcluster]=postgresql [prometheus]=prometheus [nginx]=nginx-light [prometheus-alertmanager]=prometheus-alertmanager [go]=golang-go [node]=nodejs [npm]=npm
)
zipkin=$cache/zipkin
iceberg=$cache/iceberg-rest
[ -d "$jars" ] && [ -d "$zipkin" ] && [ -d "$iceberg" ] || packages+=([java]=default-jre-headless [mvn]=maven)

missing=()
for command in "${!packages[@]}"; do
  command -v "$command" > /dev/null || [ -x "/usr/sbin/$command" ] || missing+=("${packages[$command]}")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]} …"
  as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
  $as_root apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "${missing[@]}" > /dev/null
fi
if [ ! -d "$jars" ]; then
  echo "fetching Kafka …"
  pom=$(dirname "$0")/queues/kafka-pom.xml
  mvn -q -f "$pom" dependency:copy-dependencies -DoutputDirectory="$jars.part"
  mv "$jars.part" "$jars"
fi
if [ ! -d "$zipkin" ]; then
  echo "fetching Zipkin …"
  mvn -q dependency:copy -Dartifact=io.zipkin:zipkin-server:3.6.1:jar:exec -DoutputDirectory="$zipkin.part"
  mv "$zipkin.part" "$zipkin"
fi
if [ ! -d "$iceberg" ]; then
  echo "fetching a catalog of Iceberg tables …"
  pom=$(dirname "$0")/lakehouse/rest-catalog-pom.xml
  mvn -q -f "$pom" dependency:copy-dependencies -DoutputDirectory="$iceberg.part"
  mv "$iceberg.part" "$iceberg"
fi
for server in "${servers[@]}"; do
  [ ! -x "$cache/$server" ] || continue
  echo "building $server …"
  go build -C "$(dirname "$0")/queues/servers/$server" -o "$cache/$server.part" .
  mv "$cache/$server.part" "$cache/$server"
done
"$(dirname "$0")/../collector-config/build.sh" > /dev/null
"$(dirname "$0")/kubernetes/tools.sh" > /dev/null

examples=$(dirname "$0")/../examples/other-languages
go build -C "$examples/go" -o /dev/null .  # so that the test of it finds most of it built
if ! cmp -s "$examples/node/package-lock.json" "$cache/node-example/package-lock.json"; then
  echo "installing what the example in Node needs …"
  rm -rf "$cache/node-example"
  mkdir -p "$cache/node-example.part"
  cp "$examples"/node/package*.json "$cache/node-example.part"
  npm ci --prefix "$cache/node-example.part" --ignore-scripts --no-audit --no-fund --silent
  mv "$cache/node-example.part" "$cache/node-example"
fi
axe=axe-core-4.14.1
if [ ! -d "$cache/$axe" ]; then
  echo "installing what judges pages …"
  rm -rf "$cache/$axe.part"
  npm install --prefix "$cache/$axe.part" --ignore-scripts --no-audit --no-fund --silent "axe-core@${axe##*-}"
  mv "$cache/$axe.part" "$cache/$axe"
fi
azurite=azurite-3.35.0
if [ ! -d "$cache/$azurite" ]; then
  echo "installing an emulator of Azure's storage …"
  rm -rf "$cache/$azurite.part"
  npm install --prefix "$cache/$azurite.part" --ignore-scripts --no-audit --no-fund --silent "azurite@${azurite##*-}"
  mv "$cache/$azurite.part" "$cache/$azurite"
fi
