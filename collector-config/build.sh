#!/usr/bin/env bash
# Builds the collector of builder-config.yaml, once for each content of that file, and prints where it is.
# With --path it only prints where it is, or would be.
set -euo pipefail

builder=go.opentelemetry.io/collector/cmd/builder@v0.161.0
go_min=1.26
manifest=$(cd "$(dirname "$0")" && pwd)/builder-config.yaml
hash=$(sha256sum < "$manifest" | cut -c 1-12)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/otel-genai-cost/collector-$hash
program=$folder/otelcol-genai-cost

if [ "${1:-}" = --path ] || [ -x "$program" ]; then
  echo "$program"
  exit
fi
found=$(go env GOVERSION 2> /dev/null | sed 's/^go//') || true
if [ "$(printf '%s\n' "$go_min" "${found:-0}" | sort -V | head -1)" != "$go_min" ]; then
  echo "The collector is built with Go $go_min or newer; found: ${found:-none}. See https://go.dev/doc/install" >&2
  exit 2
fi
echo "building the collector, which takes some minutes …" >&2
mkdir -p "$(dirname "$folder")"
part=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$part"' EXIT
cp "$manifest" "$part"
(cd "$part" && GOFLAGS="${GOFLAGS:-} -buildvcs=false" go run "$builder" --config builder-config.yaml > build.log 2>&1) || {
  tail -20 "$part/build.log" >&2
  exit 1
}
mkdir -p "$folder"
mv "$part/dist/otelcol-genai-cost" "$program"
echo "$program"
