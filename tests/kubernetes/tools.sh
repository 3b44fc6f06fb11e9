#!/usr/bin/env bash
# Builds what checks the manifests, helm and checker/, once for each content of that, and prints the folder they are in.
# With --path it only prints where they are, or would be.
set -euo pipefail

helm=helm.sh/helm/v3/cmd/helm@v3.22.0
here=$(cd "$(dirname "$0")" && pwd)
hash=$(cat "$0" "$here"/checker/{go.mod,go.sum,main.go} | sha256sum | cut -c 1-12)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/otel-genai-cost/kubernetes-$hash

if [ "${1:-}" = --path ] || [ -x "$folder/helm" ]; then
  echo "$folder"
  exit
fi
echo "building helm and the checker of manifests, which takes some minutes …" >&2
mkdir -p "$(dirname "$folder")"
part=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$part"' EXIT
GOBIN=$part go install "$helm"
go build -C "$here/checker" -o "$part/checker" .
mv "$part" "$folder"
echo "$folder"
