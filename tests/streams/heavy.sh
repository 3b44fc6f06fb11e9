#!/usr/bin/env bash
# Installs what the tests marked `heavy` need and the machine lacks: all of it, or what is named, such as `heavy.sh pulsar`.
# Java, Maven and Kafka come from tests/services.sh.
set -euo pipefail
cd "$(dirname "$0")"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otel-genai-cost

# The jars of a pom beside this file, in a folder of the cache that is there whole or not at all.
jars() { # name, said as
  local folder=$cache/$1 part=$cache/$1.part
  [ ! -d "$folder" ] || return 0
  echo "fetching $2 …"
  rm -rf "$part"
  mvn -q -B -f "poms/$1.xml" dependency:copy-dependencies -DoutputDirectory="$part"
  mv "$part" "$folder"
}

pulsar() { jars pulsar-4.0.0 "Pulsar, 230 MB"; }

druid() { jars druid-33.0.0 "Druid, 190 MB"; }

# What Spark reads tables of the lakehouse with; Spark itself comes with PySpark, into an environment of the test's own.
spark() { jars spark-4.0.1 "Spark's readers of Iceberg and Delta, 60 MB"; }

flink() {
  jars flink-connector-kafka-4.0.1-2.0 "Flink's connector for Kafka, 10 MB"
  jars iceberg-flink-2.1-1.11.0 "Flink's connector for Iceberg, 90 MB"
}

every=(pulsar druid spark flink)
[ $# -gt 0 ] || set -- "${every[@]}"
for thing in "$@"; do
  case " ${every[*]} " in
    *" $thing "*) "$thing" ;;
    *) echo "$0: $thing is none of ${every[*]}" >&2; exit 2 ;;
  esac
done
