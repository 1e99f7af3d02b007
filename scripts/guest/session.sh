#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the guest, on its root: makes the rest of what a Linux machine has, runs one command, writes its exit code
# and ends the machine. /run/guest is a folder that boot.ts has made and shares; settings and command are from there.
. /run/guest/settings
HOME=~root
export PATH HOME LANG=C.UTF-8 TERM=dumb SIGNALBOX_GUEST=1

mkdir -p /dev/shm /dev/pts /dev/net
mount -t tmpfs tmpfs /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
# The first who opens it loads the module.
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/fd/0 /dev/stdin
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mkdir -p /lib/modules
mount -t tmpfs tmpfs /lib/modules
mkdir "/lib/modules/$RELEASE"
mount --bind "$MODULES" "/lib/modules/$RELEASE"
mount --make-rshared /
if [ -n "$OUT" ]; then
  mkdir -p "$OUT"
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out "$OUT"
  export SIGNALBOX_GUEST_OUT="$OUT"
fi
ip link set lo up
hostname guest

# The command gets pipes, which it can open again by name; every write to the shared files is with the host when it ends.
mkfifo /run/stdout /run/stderr
cat </run/stdout >>/run/guest/stdout &
stdout=$!
cat </run/stderr >>/run/guest/stderr &
stderr=$!
# In a subshell: what this shell says of a signal is not the command's output.
(exec sh /run/guest/command) </dev/null >/run/stdout 2>/run/stderr
status=$?

# What the command has left running ends with it, so that the pipes do. Threads of the kernel have no exe.
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  case $pid in 1 | "$stdout" | "$stderr") continue ;; esac
  if [ -e "$process/exe" ]; then kill -KILL "$pid" 2>/dev/null; fi
done
wait "$stdout" "$stderr"
echo "$status" >/run/guest/status
echo b >/proc/sysrq-trigger
sleep 60
