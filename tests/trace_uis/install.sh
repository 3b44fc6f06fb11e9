#!/usr/bin/env bash
# Installs MLflow and Arize Phoenix, each into an environment of its own (850 MB each): their dependencies exclude ours.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/otel-genai-cost/trace-uis
declare -A packages=([mlflow]=mlflow==3.17.2 [phoenix]=arize-phoenix==20.26.1)

mkdir -p "$cache"
for name in "${!packages[@]}"; do
  package=${packages[$name]}
  [ "$(cat "$cache/$name/.installed" 2> /dev/null)" != "$package" ] || continue
  echo "installing $package …"
  rm -rf "${cache:?}/$name"
  python3 -m venv "$cache/$name"
  if command -v uv > /dev/null; then
    uv pip install --quiet --compile-bytecode --python "$cache/$name/bin/python" "$package"
  else
    "$cache/$name/bin/pip" install --quiet "$package"
  fi
  echo "$package" > "$cache/$name/.installed"
done
