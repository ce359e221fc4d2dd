#!/bin/sh
# Install the Debian or Ubuntu packages that the private host is made of, where they are missing.
# usage: packages.sh [PACKAGE ...]    more packages that the caller needs (python3-venv)
#
# No service of a package is started or left enabled that was not on this machine before.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
has() { command -v "$1" >/dev/null 2>&1; }
installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# One at a time: what make does at once may need packages at once, and apt takes no turns.
exec 9<"$0"
flock 9

needed=""
for package in "$@"; do
    installed "$package" || needed="$needed $package"
done
# By program, not by package: an engine from docker.com is as good, and docker.io would replace it.
has dockerd || needed="$needed docker.io"
has docker-registry || needed="$needed docker-registry"
has iptables || needed="$needed iptables"
has ip || needed="$needed iproute2"
[ -x /usr/bin/docker-compose ] || needed="$needed docker-compose"
[ -x /lib/systemd/systemd-journald ] || needed="$needed systemd"
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || needed="$needed libfaketime"
if ! has busybox || grep -q -e /ld-linux -e /ld-musl "$(command -v busybox)"; then
    needed="$needed busybox-static"
fi
needed=$(echo $needed)
[ -n "$needed" ] || exit 0

if ! has apt-get; then
    echo "missing here: $needed (Debian's names). Install them as this system does, then run make again." >&2
    exit 1
fi
root=""
if [ "$(id -u)" -ne 0 ]; then
    has sudo || { echo "root is needed to install: $needed. Run make as root, or install them first." >&2; exit 1; }
    root="sudo"
fi

# invoke-rc.d and deb-systemd-invoke ask this file before they start a service (its exit code 101 forbids it).
policy=/usr/sbin/policy-rc.d
aside="$policy.before-dockerup"
put_back() {
    $root rm -f "$policy"
    if [ -e "$aside" ]; then $root mv "$aside" "$policy"; fi
}
if [ -e "$policy" ]; then $root mv "$policy" "$aside"; fi
trap put_back EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
$root chmod 755 "$policy"

new_units=""
for unit in docker.service docker.socket containerd.service docker-registry.service; do
    [ -e "/lib/systemd/system/$unit" ] || [ -e "/etc/systemd/system/$unit" ] || new_units="$new_units $unit"
done

echo "installing $needed"
$root apt-get update -q
# --no-remove: a machine with another vendor's containerd keeps it, and the person is told of the conflict.
$root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends --no-remove $needed </dev/null

if has systemctl; then
    for unit in $new_units; do
        if [ -e "/lib/systemd/system/$unit" ]; then $root systemctl disable --quiet "$unit"; fi
    done
fi
