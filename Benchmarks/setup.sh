#!/bin/sh
# Installs the Debian packages named that are not there yet; one clear line where that is impossible.
optional=no
[ "$1" = --optional ] && { optional=yes; shift; }
missing=
for package in "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
say() { echo "setup: $1 (missing:$missing)" >&2; [ $optional = yes ] && exit 0; exit 2; }
command -v apt-get >/dev/null || say "no apt-get here: install OpenBLAS and the OpenCL headers and loader by hand"
run=
[ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && run=sudo || say "not root and no sudo: run apt-get install$missing as root"; }
echo "setup: installing$missing"
$run apt-get update -qq >/dev/null 2>&1
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq $missing >/dev/null 2>&1 || say "apt-get could not install them"
