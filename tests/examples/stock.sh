#!/bin/sh
# Make the root file system of a plain Debian 12, in which the examples for a stock image boot, where it is
# missing: half a minute. It is kept outside of the checkout, in $DOCKERUP_TESTBED_CACHE or
# ~/.cache/dockerup-testbed.
#
# The packages that the examples install are in apt's own cache, and not installed: the boot itself installs them,
# with the real apt, and without a network.
set -eu

cache=${DOCKERUP_TESTBED_CACHE:-$HOME/.cache/dockerup-testbed}
[ -e "$cache/bookworm-stock.tar" ] && exit 0
# What Debian's cloud images have before the first boot, as far as a boot in a container needs it.
included=cloud-init,ca-certificates,iproute2,procps,netbase
fetched="docker.io python3-venv python3-docker python3-yaml python3-requests"

root=""
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi
mkdir -p "$cache"
if ! command -v mmdebstrap >/dev/null 2>&1 || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    "$(dirname "$0")/../testbed/packages.sh" mmdebstrap debian-archive-keyring
fi
echo "making $cache/bookworm-stock.tar"
# policy-rc.d: a machine in a container starts no services, least of all a second engine.
$root mmdebstrap --quiet --variant=minbase --skip=cleanup/apt --include="$included" \
    --customize-hook='rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb' \
    --customize-hook="chroot \"\$1\" apt-get install -q -y --install-recommends --download-only $fetched" \
    --customize-hook='printf "#!/bin/sh\nexit 101\n" > "$1/usr/sbin/policy-rc.d"' \
    --customize-hook='chmod 755 "$1/usr/sbin/policy-rc.d"' \
    --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*' \
    bookworm "$cache/.bookworm-stock.tar"
$root mv "$cache/.bookworm-stock.tar" "$cache/bookworm-stock.tar"
