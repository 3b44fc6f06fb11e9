#!/usr/bin/env bash
# Installs what the tests marked `service` need and the machine lacks. Debian; other systems: install by hand.
set -euo pipefail

missing=()
command -v chromium > /dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]} …"
  as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
  $as_root apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "${missing[@]}" > /dev/null
fi
