#!/bin/sh
# Make the disk of a plain Debian 12 that boots in a virtual machine, with its kernel beside it, where it is
# missing: about a minute. It is kept outside of the checkout, in $DOCKERUP_TESTBED_CACHE or
# ~/.cache/dockerup-testbed. What runs it, QEMU and cloud-localds, is installed where it is missing too.
#
# The packages that the stock example installs are in apt's own cache, and not installed: the boot itself installs
# them, with the real apt, and without a network.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "$(dirname "$0")" && pwd)
cache=${DOCKERUP_TESTBED_CACHE:-$HOME/.cache/dockerup-testbed}
has() { command -v "$1" >/dev/null 2>&1; }

needed=""
has qemu-system-x86_64 || needed="$needed qemu-system-x86"
has qemu-img || needed="$needed qemu-utils"
has cloud-localds || needed="$needed cloud-image-utils"
has openssl || needed="$needed openssl"
has mke2fs || needed="$needed e2fsprogs"
has mmdebstrap || needed="$needed mmdebstrap"
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || needed="$needed debian-archive-keyring"
if [ -n "$needed" ]; then "$here/../testbed/packages.sh" $needed; fi

[ -e "$cache/bookworm-vm" ] && exit 0
# What Debian's own cloud image has and a boot with this example comes by.
included=linux-image-cloud-amd64,systemd-sysv,systemd-resolved,systemd-timesyncd,libpam-systemd,udev,dbus
included=$included,cloud-init,cloud-guest-utils,netplan.io,openssh-server,sudo,cron,ca-certificates,openssl
included=$included,e2fsprogs,iproute2,procps,netbase,tzdata
fetched=$(sed -n '/^packages:/,/^$/s/^  - //p' "$here/../../cloud-config-examples/stock-image.yaml")

root=""
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi
mkdir -p "$cache"
made=$($root mktemp -d "$cache/.bookworm-vm.XXXXXX")
trap '$root rm -rf "$made"' EXIT
trap 'exit 1' HUP INT TERM
echo "making $cache/bookworm-vm"
# apt from outside, as mmdebstrap calls it: systemd-resolved has just replaced the system's resolv.conf.
download="APT_CONFIG=\"\$MMDEBSTRAP_APT_CONFIG\" apt-get install -q -y --install-recommends --download-only"
units="$here/files/engine-for-tests.socket $here/files/engine-for-tests.service"
$root mmdebstrap --quiet --variant=minbase --skip=cleanup/apt --include="$included" \
    --customize-hook='rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb' \
    --customize-hook="$download $(echo $fetched)" \
    --customize-hook="copy-in $units /etc/systemd/system" \
    --customize-hook='chroot "$1" systemctl enable --quiet engine-for-tests.socket' \
    --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"; echo debian > "$1/etc/hostname"' \
    --customize-hook='echo LANG=C.UTF-8 > "$1/etc/default/locale"' \
    bookworm "$made/root"
$root sh -c "cp '$made'/root/boot/vmlinuz-* '$made/vmlinuz' && cp '$made'/root/boot/initrd.img-* '$made/initrd.img'"
$root mke2fs -q -t ext4 -L root -d "$made/root" "$made/disk.raw" 6G
$root rm -rf "$made/root"
$root chmod 755 "$made"
$root mv "$made" "$cache/bookworm-vm"
