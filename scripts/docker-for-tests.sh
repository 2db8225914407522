#!/usr/bin/env bash
# A container engine and a Python image for the tests, on a bare Debian machine, as root.
#
#   scripts/docker-for-tests.sh          install what is missing, start dockerd, import the image
#   scripts/docker-for-tests.sh stop     stop the dockerd that this script started
#
# Running it again is safe: what is there is kept. Nothing is pulled: the image is made with debootstrap from the
# package mirror that apt already uses, once, and kept in ${XDG_CACHE_HOME:-~/.cache}/descant.
# It is called descant-test-python:latest, which is what tests/sandbox_docker asks for.
set -euo pipefail

IMAGE=descant-test-python:latest
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/descant
STATE=/run/descant-test-docker
SOCKET=${DOCKER_HOST:-unix:///var/run/docker.sock}
LOG=$STATE/dockerd.log

say() { printf 'docker-for-tests: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

stop_engine() {
    local pid
    [ -s "$STATE/pid" ] || { say 'this script has started no engine'; return 0; }
    pid=$(cat "$STATE/pid")
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null || true)" = dockerd ]; then
        kill "$pid"
        for _ in $(seq 1 100); do
            [ -d "/proc/$pid" ] || break
            sleep 0.1
        done
    fi
    rm -f "$STATE/pid"
    say 'stopped'
}

# Packages: the engine, and debootstrap for the image.
install_missing() {
    local wanted=()
    command -v dockerd >/dev/null || wanted+=(docker.io)
    command -v docker >/dev/null || wanted+=(docker.io)
    # Only when the image has still to be made.
    [ -s "$(rootfs)" ] || command -v debootstrap >/dev/null || wanted+=(debootstrap)
    [ ${#wanted[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "needs ${wanted[*]}; install them with this system's package manager"
    say "installing ${wanted[*]}"
    # A policy that refuses to start services: on machines without an init the package's own start would fail.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        made=1
    fi
    local status=0
    {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${wanted[@]}"
    } >&2 || status=$?
    [ -z "$made" ] || rm -f $policy
    [ $status -eq 0 ] || die "apt-get failed ($status)"
}

# `dockerd` exits within seconds when a driver does not work, so the choices are tried from the usual to the plainest.
start_engine() {
    local dockerd options
    dockerd=$(command -v dockerd || true)
    [ -n "$dockerd" ] || die 'dockerd is not installed'
    mkdir -p "$STATE"
    mountpoint -q /sys/fs/cgroup || [ -e /sys/fs/cgroup/cgroup.controllers ] ||
        mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup 2>/dev/null || true
    : >"$LOG"
    for options in '' \
        '--iptables=false --ip6tables=false --bridge=none' \
        '--storage-driver=vfs' \
        '--storage-driver=vfs --iptables=false --ip6tables=false --bridge=none'; do
        say "starting dockerd ${options:-with its defaults}"
        printf '=== dockerd %s\n' "$options" >>"$LOG"
        rm -f /var/run/docker.pid
        # shellcheck disable=SC2086 # the options are words
        setsid "$dockerd" --host "$SOCKET" $options >>"$LOG" 2>&1 </dev/null &
        local pid=$!
        for _ in $(seq 1 60); do
            if answers; then
                echo "$pid" >"$STATE/pid"
                disown "$pid" 2>/dev/null || true
                return 0
            fi
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.5
        done
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    tail -n 25 "$LOG" >&2
    die "dockerd does not come up; its log is $LOG"
}

suite() {
    # shellcheck source=/dev/null
    . /etc/os-release
    echo "${VERSION_CODENAME:?this Debian names no release}"
}

rootfs() { echo "$CACHE/test-python-$(suite)-$(dpkg --print-architecture).tar.gz"; }

# The archive apt reads this release from, as apt itself states it.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(CREATED_BY)' |
        awk -v suite="$1" '$2 == suite && $3 == "main" && $4 == "Packages" { print $1; exit }'
}

make_rootfs() {
    local target suite from work
    target=$(rootfs)
    [ ! -s "$target" ] || return 0
    suite=$(suite)
    from=$(mirror "$suite")
    [ -n "$from" ] || die "apt has no source for $suite main; run apt-get update or add one"
    mkdir -p "$CACHE"
    work=$(mktemp -d "$CACHE/rootfs.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    say "making a $suite root with python3 (a minute or two; log: $CACHE/debootstrap.log)"
    debootstrap --variant=minbase --include=python3 "$suite" "$work/root" "$from" >"$CACHE/debootstrap.log" 2>&1 ||
        { tail -n 15 "$CACHE/debootstrap.log" >&2; die 'debootstrap failed'; }
    # The mirror's address is this machine's business; caches and documentation are only weight.
    rm -rf "$work"/root/etc/apt/sources.list* "$work"/root/var/cache/apt "$work"/root/var/lib/apt/lists \
        "$work"/root/usr/share/doc "$work"/root/usr/share/man "$work"/root/usr/share/locale \
        "$work"/root/var/log/bootstrap.log
    tar -C "$work/root" --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf - . |
        gzip -1 >"$work/rootfs.tar.gz"
    mv "$work/rootfs.tar.gz" "$target"
    rm -rf "$work"
    trap - EXIT
}

import_image() {
    if docker image inspect $IMAGE >/dev/null 2>&1; then
        return 0
    fi
    say "importing $IMAGE"
    gzip -dc "$(rootfs)" |
        docker import --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' - $IMAGE >/dev/null
}

case ${1:-start} in
stop)
    stop_engine
    exit 0
    ;;
start) ;;
*) die 'usage: docker-for-tests.sh [start|stop]' ;;
esac

if ! command -v docker >/dev/null || ! answers; then
    [ "$(id -u)" = 0 ] || die 'no engine answers, and starting one needs root'
    install_missing
    answers || start_engine
fi
if ! docker image inspect $IMAGE >/dev/null 2>&1; then
    [ -s "$(rootfs)" ] || { [ "$(id -u)" = 0 ] || die 'making the image needs root (debootstrap)'; }
    install_missing
    make_rootfs
    import_image
fi

said=$(timeout 60 docker run --rm --network none $IMAGE python3 -c 'print(1234 * 77)') ||
    die "a container does not run; the engine's log is $LOG"
[ "$said" = 95018 ] || die "python3 in $IMAGE said '$said'"
say "ready: engine $(docker version --format '{{.Server.Version}}'), $(docker run --rm --network none $IMAGE python3 -V)"
