#!/bin/sh
# Make the root file systems that the boot tests run cloud-init in, where they are missing: about a minute each.
# usage: systems.sh [SUITE ...]
#
# They are kept outside of the checkout, in $DOCKERUP_TESTBED_CACHE or ~/.cache/dockerup-testbed.
set -eu

cache=${DOCKERUP_TESTBED_CACHE:-$HOME/.cache/dockerup-testbed}
packages=cloud-init,ca-certificates,python3-docker,python3-yaml,python3-requests,iproute2,procps,netbase

root=""
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi
mkdir -p "$cache"
for suite in ${*:-bookworm trixie}; do
    [ -e "$cache/$suite.tar" ] && continue
    if ! command -v mmdebstrap >/dev/null 2>&1 || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
        "$(dirname "$0")/packages.sh" mmdebstrap debian-archive-keyring
    fi
    echo "making $cache/$suite.tar"
    $root mmdebstrap --quiet --variant=minbase --include=$packages \
        "$suite" "$cache/.$suite.tar"
    $root mv "$cache/.$suite.tar" "$cache/$suite.tar"
done
