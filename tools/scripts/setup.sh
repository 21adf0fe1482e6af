#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs what Fovea is built and tested with on Debian 12, for anyone who
# has just cloned it. Says what it installs and what that costs; does nothing
# if everything is there.
#
# usage: setup.sh [--check] [build|test|develop]
#   --check   only list the missing packages (exit status 1 if there are any)
#   build     what building and running needs
#   test      what the tests need besides (the default)
#   develop   formatting and lint besides
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

check=no group=test
for word in "$@"; do
  case "$word" in
    --check) check=yes ;;
    build|test|develop) group=$word ;;
    *) sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

case $group in
  build) groups=build ;;
  test) groups='build|test' ;;
  develop) groups='build|test|develop' ;;
esac
wanted=($(sed -nE "s/^($groups) +//p" "$here/packages.txt"))
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is no Debian; install the equivalents of:" \
    "${wanted[*]}" >&2
  exit 4
fi

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
  grep -qx installed <<<"$state" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#wanted[@]} packages for $group are installed"
  exit 0
fi
if [ $check = yes ]; then
  printf '%s\n' "${missing[@]}"
  exit 1
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: not root and no sudo; as root, run:" \
      "apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 4
  fi
  root=(sudo)
fi
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get
  -o Acquire::Retries=3 -qq)
echo "setup: installing ${#missing[@]} of ${#wanted[@]} packages: ${missing[*]}"
"${apt[@]}" update
# apt's own estimate, before anything is fetched.
apt-get --simulate --no-install-recommends install "${missing[@]}" >/dev/null
apt-get --assume-no --no-install-recommends install "${missing[@]}" 2>/dev/null |
  sed -n 's/^\(Need to get\|After this operation\)/setup: \1/p' || true
log=$(mktemp)
if ! "${apt[@]}" -y --no-install-recommends install "${missing[@]}" \
    >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "setup: apt-get failed; its output is in $log" >&2
  exit 4
fi
rm -f "$log"
echo "setup: done"
