#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The guest's first program, out of the initramfs that initramfs.ts makes: loads the modules that the root needs, puts a
# tmpfs over the host's read-only tree so that all can be written and nothing is, and goes on with session.sh there.
# shellcheck shell=dash
export PATH=/bin
b() { busybox "$@"; }

b mkdir -p /proc /sys /dev /host /written /tree
b mount -t proc proc /proc
b mount -t sysfs sysfs /sys
b mount -t devtmpfs devtmpfs /dev
# Modules are numbered in the order of their dependencies.
for module in /modules/*; do
  b insmod "$module" || echo "<0>initramfs: $module cannot be loaded" >/dev/kmsg
done
options=trans=virtio,version=9p2000.L,msize=512000
b mount -t 9p -o "ro,cache=loose,$options" host /host
b mount -t tmpfs -o size=80% tmpfs /written
b mkdir /written/upper /written/work
b mount -t overlay -o lowerdir=/host,upperdir=/written/upper,workdir=/written/work overlay /tree
for at in proc sys dev; do b mount --move "/$at" "/tree/$at"; done
b mount -t tmpfs -o mode=755 tmpfs /tree/run
b mkdir -p /tree/run/lock /tree/run/guest
b mount -t 9p -o "$options" control /tree/run/guest
# Not chroot: in one, nobody can make a user namespace.
exec busybox switch_root /tree /bin/sh /run/guest/session.sh
