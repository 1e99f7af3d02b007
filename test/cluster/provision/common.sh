# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the provisioning scripts share; each of them sources it first. They take their input from the environment
# only, run as root on Debian 12 or newer, and may be run again at any time: what is as it should be is left
# alone, what is changed is told, and remembered in STATE for remove.sh.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

STATE=/var/lib/signalbox-cluster
# The kubeconfig of the control plane.
# shellcheck disable=SC2034
ADMIN=/etc/kubernetes/admin.conf
PART=$(basename "$0" .sh)
CHANGES=0
# Whether the last `put` changed its file.
# shellcheck disable=SC2034
WAS_PUT=no

fail() {
  printf '%s: %s\n' "$PART" "$1" >&2
  exit 1
}

# need NAME...: variables that must be set.
need() {
  local name
  for name in "$@"; do
    [ -n "${!name:-}" ] || fail "the variable $name is not set; docs/clusters.md has all of them"
  done
}

changed() {
  CHANGES=$((CHANGES + 1))
  printf '%s: %s\n' "$PART" "$1"
}

# The last line of every script.
summary() {
  if [ "$CHANGES" = 0 ]; then
    echo "$PART: nothing to change"
  else
    echo "$PART: changes: $CHANGES"
  fi
}

# put FILE [MODE]: standard input becomes the file's content.
put() {
  local file=$1 mode=${2:-644} new
  new=$(mktemp)
  cat >"$new"
  WAS_PUT=no
  if ! cmp -s "$new" "$file" || [ "$(stat -c %a "$file")" != "$mode" ]; then
    remember "$file"
    install -D -m "$mode" "$new" "$file"
    # shellcheck disable=SC2034
    WAS_PUT=yes
    changed "wrote $file"
  fi
  rm -f "$new"
}

# remember FILE: it is ours to take away again, or to put back as it was before.
remember() {
  mkdir -p "$STATE/before"
  if ! grep -qxsF "$1" "$STATE/files"; then
    if [ -e "$1" ]; then install -D -m "$(stat -c %a "$1")" "$1" "$STATE/before$1"; fi
    echo "$1" >>"$STATE/files"
  fi
}

# install_packages NAME...: those of them that are missing.
install_packages() {
  local name there missing=()
  there=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    [[ $'\n'$there$'\n' == *$'\n'"$name installed"$'\n'* ]] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  changed "installing ${missing[*]}"
  apt-get update -q >/dev/null
  apt-get install -qy --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null ||
    fail "apt-get cannot install ${missing[*]}; on a machine without a way to packages, install them beforehand"
  mkdir -p "$STATE"
  printf '%s\n' "${missing[@]}" >>"$STATE/packages"
}

# import_images TAR...: into containerd, where the kubelet looks. Each archive once, as long as it does not change.
import_images() {
  local archive stamp is
  for archive in "$@"; do
    stamp=$STATE/images/$(basename "$archive")
    is=$(digest "$archive")
    if [ "$(cat "$stamp" 2>/dev/null)" != "$is" ]; then
      changed "importing $archive"
      ctr --namespace k8s.io images import "$archive" >/dev/null
      mkdir -p "$STATE/images"
      echo "$is" >"$stamp"
    fi
  done
}

digest() { sha256sum "$1" | cut -d ' ' -f 1; }

# retry SECONDS COMMAND...: until it succeeds; what it said is in SAID. Fails with what it said last.
retry() {
  local deadline=$((SECONDS + $1))
  shift
  until SAID=$("$@" 2>&1); do
    [ "$SECONDS" -lt "$deadline" ] || fail "$*: $SAID"
    sleep 2
  done
}

[ "$(id -u)" = 0 ] || fail 'this must run as root'
