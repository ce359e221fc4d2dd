#!/bin/sh
# Make the root file systems that the boot tests run cloud-init in, where they are missing: about a minute each.
# They are kept outside of the checkout, in $DOCKERUP_TESTBED_CACHE or ~/.cache/dockerup-testbed.
set -eu

cache=${DOCKERUP_TESTBED_CACHE:-$HOME/.cache/dockerup-testbed}
mirror=http://deb.debian.org/debian
packages=cloud-init,ca-certificates,python3-docker,python3-yaml,python3-requests,iproute2,procps,netbase

root=""
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi
mkdir -p "$cache"
for suite in bookworm trixie; do
    [ -e "$cache/$suite.tar" ] && continue
    command -v mmdebstrap >/dev/null 2>&1 || "$(dirname "$0")/packages.sh" mmdebstrap
    echo "making $cache/$suite.tar"
    $root mmdebstrap --quiet --variant=minbase --include=$packages \
        "$suite" "$cache/.$suite.tar" "deb $mirror $suite main"
    $root mv "$cache/.$suite.tar" "$cache/$suite.tar"
done
