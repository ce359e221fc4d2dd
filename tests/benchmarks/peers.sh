#!/bin/sh
# Get the programs that dockerup is measured against, where they are missing: two minutes, once.
# usage: peers.sh
#
# They are kept outside of the checkout, in $DOCKERUP_TESTBED_CACHE or ~/.cache/dockerup-testbed. One that cannot
# be had leaves the reason in a file NAME.missing beside it, which the table tells; the next run tries again.
set -u

here=$(dirname "$0")
cache=${DOCKERUP_TESTBED_CACHE:-$HOME/.cache/dockerup-testbed}/peers
python=${PYTHON:-python3}
mkdir -p "$cache"
root=""
if [ "$(id -u)" -ne 0 ]; then root=sudo; fi

# make_peer NAME FILE COMMAND...: FILE is there once the peer is complete.
make_peer() {
    name=$1 file=$2
    shift 2
    rm -f "$cache/$name.missing"
    [ -e "$file" ] && return
    echo "getting $name"
    "$@" >"$cache/$name.log" 2>&1 && [ -e "$file" ] && return
    # The last line that tells anything is the reason.
    { grep -iE 'error|^E: |unable|cannot|not found' "$cache/$name.log" || cat "$cache/$name.log"; } |
        tail -n 1 | cut -c1-200 >"$cache/$name.missing"
    echo "$name cannot be had: $(cat "$cache/$name.missing")"
}

# venv DIR REQUIREMENT...: an environment of its own, moved to its place only in the form of its last file.
venv() {
    directory=$1
    shift
    rm -rf "$directory"
    "$python" -m venv "$directory" && "$directory/bin/python" -m pip install --quiet "$@"
}

# Debian 12's docker-compose is 1.29; later releases' is 2.
compose1() {
    case $(apt-cache policy docker-compose | sed -n 's/^ *Candidate: //p') in
    1.*) "$here/../testbed/packages.sh" docker-compose && ln -sf /usr/bin/docker-compose "$cache/compose1" ;;
    *) echo "error: this system's docker-compose is not version 1" && return 1 ;;
    esac
}

compose2() {
    if ! command -v mmdebstrap >/dev/null 2>&1; then
        "$here/../testbed/packages.sh" mmdebstrap debian-archive-keyring || return 1
    fi
    $root rm -rf "$cache/trixie"
    $root mmdebstrap --quiet --variant=extract --include=docker-compose trixie "$cache/trixie" || return 1
    # Its C library is newer than this system's may be.
    cat >"$cache/.compose2" <<END
#!/bin/sh
exec $cache/trixie/usr/lib64/ld-linux-x86-64.so.2 --library-path $cache/trixie/usr/lib/x86_64-linux-gnu \\
    $cache/trixie/usr/bin/docker-compose "\$@"
END
    chmod 755 "$cache/.compose2" && "$cache/.compose2" version && mv "$cache/.compose2" "$cache/compose2"
}

ouroboros() {
    # It was last released in 2019, for the SDK and the HTTP client of that time.
    venv "$cache/ouroboros.venv" 'ouroboros-cli==1.4.2' 'docker<5' 'requests<2.29' 'urllib3<2' setuptools &&
        "$cache/ouroboros.venv/bin/ouroboros" --version && ln -sf ouroboros.venv/bin/ouroboros "$cache/ouroboros"
}

ansible() {
    venv "$cache/ansible.venv" ansible docker requests &&
        "$cache/ansible.venv/bin/ansible-playbook" --version &&
        ln -sf ansible.venv/bin/ansible-playbook "$cache/ansible"
}

make_peer compose1 "$cache/compose1" compose1
make_peer compose2 "$cache/compose2" compose2
make_peer ouroboros "$cache/ouroboros" ouroboros
make_peer ansible "$cache/ansible" ansible
exit 0
