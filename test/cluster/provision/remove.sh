#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Takes the cluster off a machine, and what the other scripts have installed for it. The machine stays, and what
# was there before is put back. Reads nothing.
# shellcheck source=test/cluster/provision/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ ! -e "$STATE" ]; then
  summary
  exit
fi

# Programs and tables stay when the agent's pod goes. The image brings the command that takes them off.
image=$(ctr --namespace k8s.io images ls -q 2>/dev/null | grep -m 1 '/signalbox:' || true)
if [ -e /etc/kubernetes/kubelet.conf ] && command -v kubeadm >/dev/null; then
  changed 'kubeadm reset'
  kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
fi
if [ -n "$image" ]; then
  changed "signalbox cleanup, out of $image"
  ctr --namespace k8s.io run --rm --privileged --net-host \
    --mount type=bind,src=/sys/fs/bpf,dst=/sys/fs/bpf,options=rbind:rw \
    --mount type=bind,src=/sys/fs/cgroup,dst=/host/cgroup,options=rbind:rw \
    --mount type=bind,src=/proc,dst=/host/proc,options=rbind:rw \
    --mount type=bind,src=/run,dst=/run,options=rbind:rw \
    --env SIGNALBOX_PROC=/host/proc \
    "$image" signalbox-cleanup-$$ signalbox cleanup || fail 'signalbox cleanup failed: see above'
fi
for device in cni0 flannel.1 flannel-v6.1; do
  if ip link show "$device" >/dev/null 2>&1; then
    ip link delete "$device"
    changed "deleted $device"
  fi
done
rm -rf /var/lib/cni/networks/signalbox-cluster
routes=/usr/local/sbin/signalbox-cluster-routes
if [ -e "$routes" ]; then
  read -ra peers < <(sed -n 's/^for peer in \(.*\); do$/\1/p' "$routes") || peers=()
  for peer in "${peers[@]}"; do
    ip route delete "${peer%=*}" via "${peer#*=}" 2>/dev/null || continue
    changed "deleted the route to ${peer%=*}"
  done
fi

for unit in signalbox-cluster-routes kubelet; do
  if systemctl cat "$unit" >/dev/null 2>&1; then systemctl disable -q --now "$unit"; fi
done
if [ -e "$STATE/packages" ]; then
  mapfile -t packages < <(sort -u "$STATE/packages")
  changed "removing ${packages[*]}"
  apt-mark unhold "${packages[@]}" >/dev/null
  apt-get purge -qy -o Dpkg::Use-Pty=0 "${packages[@]}" >/dev/null
fi
while IFS= read -r file; do
  if [ -e "$STATE/before$file" ]; then
    install -D -m "$(stat -c %a "$STATE/before$file")" "$STATE/before$file" "$file"
    changed "put back $file"
  elif [ -e "$file" ] || [ -L "$file" ]; then
    rm -f "$file"
    changed "removed $file"
  fi
done < <(sort -u "$STATE/files" 2>/dev/null)
rmdir --ignore-fail-on-non-empty /etc/systemd/system/kubelet.service.d 2>/dev/null || true
rmdir --ignore-fail-on-non-empty /etc/kubernetes/signalbox-cluster-patches 2>/dev/null || true
systemctl daemon-reload
# With the configuration that it had before, or with none.
if systemctl is-active -q containerd; then systemctl restart containerd; fi
rm -rf "$STATE" /opt/signalbox

summary
