#!/bin/sh
# Make the root file systems that hold the engines of other Debian releases, where they are missing: about 20 s each.
# usage: engines.sh [SUITE-docker | SUITE-podman ...]
#
# They are kept outside of the checkout, in $DOCKERUP_TESTBED_CACHE or ~/.cache/dockerup-testbed.
set -eu

cache=${DOCKERUP_TESTBED_CACHE:-$HOME/.cache/dockerup-testbed}
root=""
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi
mkdir -p "$cache"
for name in ${*:-forky-docker}; do
    [ -e "$cache/$name" ] && continue
    command -v mmdebstrap >/dev/null 2>&1 || "$(dirname "$0")/packages.sh" mmdebstrap
    suite=${name%-*}
    case $name in
        *-docker) packages=docker.io,iptables,ca-certificates ;;
        *-podman) packages=podman,iptables,ca-certificates ;;
        *) echo "engines.sh: $name is neither SUITE-docker nor SUITE-podman" >&2; exit 2 ;;
    esac
    echo "making $cache/$name"
    # The key of a release that is newer than this system is not here; what it holds is only for tests.
    $root rm -rf "$cache/.$name"
    $root mmdebstrap --quiet --variant=minbase --include=$packages \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
        "$suite" "$cache/.$name" "deb [trusted=yes] http://deb.debian.org/debian $suite main"
    $root mkdir -p "$cache/.$name/etc/docker"
    $root mv "$cache/.$name" "$cache/$name"
done
