#!/bin/sh
# Turn this machine into an image with Docker and dockerup in it.
#
# For: a fresh Debian 12 or 13, or Ubuntu 22.04 or 24.04, started only to make an image of it: by hand, or as
# the script of Packer's shell provisioner.
# Do: run it as root, shut the machine down, make the image of its disk.
# Then: launch machines from that image with baked-image.yaml, or with any of the examples that say so.
set -eu

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends \
    docker.io python3-venv python3-docker python3-yaml python3-requests

# dockerup in a directory of its own. docker, yaml and requests are the system's.
python3 -m venv --system-site-packages /opt/dockerup
/opt/dockerup/bin/pip install dockerup
ln -sf /opt/dockerup/bin/dockerup /usr/local/bin/dockerup

# cloud-init runs with the system's Python. One line tells that Python where dockerup is.
/opt/dockerup/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
    > "$(/usr/bin/python3 -c 'import site; print(site.getsitepackages()[0])')/dockerup.pth"

# dockerup's part in the boot, its run each minute, its directories.
dockerup setup

# The containers that every machine of this image should run, one file each, would be written here:
# cat > /etc/dockerup/containers.d/agent.yaml ...

# What belongs to this one machine must not be in the image.
rm -rf /var/cache/dockerup/*
cloud-init clean --logs
