#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What every node runs: containerd with runc and the CNI plugins, all from Debian, and kubelet, kubeadm and kubectl.
# These come from Kubernetes' own packages, or from KUBERNETES_BUNDLE, a folder with bin/ and images/*.tar: then
# nothing is fetched, provided that Debian's packages are there. Reads: KUBERNETES_BUNDLE, KUBERNETES_VERSION, and which
# images are needed from NODE_IPV4 and CONTROL_PLANE_IPV4.
# shellcheck source=test/cluster/provision/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
KUBERNETES_BUNDLE=${KUBERNETES_BUNDLE:-}
KUBERNETES_VERSION=${KUBERNETES_VERSION:-1.36}
PACKAGES=https://pkgs.k8s.io/core:/stable:/v$KUBERNETES_VERSION/deb
KEY=/etc/apt/keyrings/signalbox-cluster-kubernetes.asc

from_bundle() {
  local program restart=no
  for program in kubeadm kubectl kubelet; do
    [ -x "$KUBERNETES_BUNDLE/bin/$program" ] || fail "$KUBERNETES_BUNDLE has no bin/$program"
    if ! cmp -s "$KUBERNETES_BUNDLE/bin/$program" "/usr/local/bin/$program"; then
      remember "/usr/local/bin/$program"
      install -m 755 "$KUBERNETES_BUNDLE/bin/$program" /usr/local/bin/
      changed "installed $program of $KUBERNETES_BUNDLE"
      restart=yes
    fi
  done
  # Until kubeadm has written what the kubelet reads, it ends at once and is started again.
  put /etc/systemd/system/kubelet.service <<'TEXT'
[Unit]
Description=kubelet
Wants=network-online.target
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
TEXT
  # The names of these files are kubeadm's. $KUBELET_KUBEADM_ARGS and $KUBELET_EXTRA_ARGS are several words each.
  put /etc/systemd/system/kubelet.service.d/10-kubeadm.conf <<'TEXT'
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
TEXT
  systemctl daemon-reload
  if ! systemctl is-enabled -q kubelet; then systemctl enable -q kubelet; fi
  if [ "$restart" = yes ]; then systemctl try-restart kubelet; fi
}

from_packages() {
  install_packages ca-certificates curl
  if [ ! -e "$KEY" ]; then
    remember "$KEY"
    mkdir -p "$(dirname "$KEY")"
    curl -fsSL --retry 3 -o "$KEY" "$PACKAGES/Release.key" ||
      fail "cannot fetch $PACKAGES/Release.key; without a way there, give KUBERNETES_BUNDLE"
    changed "fetched the key of Kubernetes' packages"
  fi
  put /etc/apt/sources.list.d/signalbox-cluster-kubernetes.list <<<"deb [signed-by=$KEY] $PACKAGES/ /"
  install_packages kubelet kubeadm kubectl
  if [ -z "$(apt-mark showhold kubelet)" ]; then apt-mark hold kubelet kubeadm kubectl >/dev/null; fi
}

install_packages containerd runc containernetworking-plugins conntrack ethtool iptables mount util-linux

# has_image_for_workers TAR: an image in it is not of the control plane alone, or it does not name its images.
has_image_for_workers() {
  local tags
  tags=$(tar -xOf "$1" manifest.json 2>/dev/null | grep -o '"RepoTags": *\[[^]]*\]' | cut -d [ -f 2 | grep -o '"[^"]*"') ||
    return 0
  grep -qvE '/(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)[:-]' <<<"$tags"
}

# Debian has the plugins elsewhere than everybody else; flannel and Kubernetes' packages bring theirs to /opt/cni/bin.
mkdir -p /opt/cni/bin
for plugin in /usr/lib/cni/*; do
  link=/opt/cni/bin/$(basename "$plugin")
  if [ ! -e "$link" ]; then
    ln -sf "$plugin" "$link"
    remember "$link"
    changed "linked $link"
  fi
done

if [ -n "$KUBERNETES_BUNDLE" ]; then from_bundle; else from_packages; fi

# The sandbox of pods that kubeadm knows of is the one that is there, or that will be fetched.
pause=$(kubeadm config images list --kubernetes-version "$(kubeadm version -o short)" 2>/dev/null | grep '/pause:') ||
  fail 'kubeadm does not say which pause image it wants'
put /etc/containerd/config.toml <<TEXT
# Version 2 is understood by containerd 1.6 of Debian 12, 1.7 of Debian 13, and 2.
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
TEXT
if ! systemctl is-enabled -q containerd; then systemctl enable -q containerd; fi
if [ "$WAS_PUT" = yes ] || ! systemctl is-active -q containerd; then systemctl restart containerd; fi
retry 60 ctr version

# Images that only the control plane runs are most of a bundle.
if [ -n "$KUBERNETES_BUNDLE" ]; then
  for archive in "$KUBERNETES_BUNDLE"/images/*.tar; do
    if [ "${CONTROL_PLANE_IPV4:-}" = "${NODE_IPV4:-}" ] || has_image_for_workers "$archive"; then
      import_images "$archive"
    fi
  done
fi

summary
