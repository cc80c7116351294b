#!/bin/bash
# Boots systemd as the first process of a host of its own: boot.sh BASE STATE SHARED NAME
#
# BASE is a root directory, which is not changed; STATE keeps what is; SHARED is seen there as /srv/shared. All of it but
# the network is in namespaces, and ends when this process does.
set -euo pipefail
base=$1 state=$2 shared=$3 name=$4

groups=/sys/fs/cgroup
[ ! -d "$groups/unified" ] || groups=$groups/unified
mkdir -p "$state"/{upper,work,root} "$groups/$name"
echo $$ >"$groups/$name/cgroup.procs"

# shellcheck disable=SC2016 # the inner shell's variables
exec unshare --fork --kill-child --pid --mount --cgroup --uts --ipc --propagation private \
    bash -euc '
        base=$1 state=$2 shared=$3 name=$4 root=$2/root
        hostname "$name"
        mount -t overlay overlay -o "lowerdir=$base,upperdir=$state/upper,workdir=$state/work" "$root"
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        for device in null zero full random urandom tty; do
            touch "$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        mkdir "$root/dev/pts" "$root/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
        ln -s pts/ptmx "$root/dev/ptmx"
        ln -s /proc/self/fd "$root/dev/fd"
        for place in dev/shm tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root/$place"; done
        mount -t tmpfs -o mode=755 tmpfs "$root/run"
        mkdir -p "$root/srv/shared"
        mount --bind "$shared" "$root/srv/shared"
        mkdir -p "$root/.before"
        cd "$root"
        pivot_root . .before
        umount -l /.before
        mount --make-rshared /
        exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd systemd.unit=multi-user.target
    ' boot "$base" "$state" "$shared" "$name" </dev/null
