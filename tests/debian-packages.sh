#!/bin/sh
# Installs the real servers that the tests start. Asks for sudo only when something is missing and we are not root.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
missing=""
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 && return
    case " $missing " in *" $2 "*) ;; *) missing="$missing $2" ;; esac
}
need nginx nginx
need lighttpd lighttpd
need prometheus prometheus
need promtool prometheus
need chromium chromium
need prometheus-blackbox-exporter prometheus-blackbox-exporter
need openssl openssl
need vsftpd vsftpd
need ip iproute2
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "the tests need these programs, and this is no Debian to install them on:$missing" >&2
    exit 2
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "as root, run: apt-get install --no-install-recommends$missing" >&2; exit 2; }
    as_root="sudo"
fi
echo "installing Debian packages for the tests:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# The tests start servers of their own; those that the packages start with the machine stay off.
if [ -d /run/systemd/system ]; then
    for unit in $missing; do
        [ "$unit" = openssl ] || [ "$unit" = chromium ] || $as_root systemctl disable --quiet --now "$unit" || true
    done
fi
