#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every other node: `kubeadm join`. Waits for the API server, since machines may be started side by side. Reads:
# NODE_NAME NODE_IPV4 NODE_IPV6, CONTROL_PLANE_IPV4, TOKEN, CA_HASH (sha256:...; without it, whoever has the control
# plane's address is believed: for networks that nobody else is on).
# shellcheck source=test/cluster/provision/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need NODE_NAME NODE_IPV4 NODE_IPV6 CONTROL_PLANE_IPV4 TOKEN
CONFIG=/etc/kubernetes/signalbox-cluster.yaml

if [ -n "${CA_HASH:-}" ]; then
  trust="caCertHashes: [\"$CA_HASH\"]"
else
  trust='unsafeSkipCAVerification: true'
fi

put "$CONFIG" 600 <<TEXT
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: $CONTROL_PLANE_IPV4:6443
    token: $TOKEN
    $trust
nodeRegistration:
  name: $NODE_NAME
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: IfNotPresent
  kubeletExtraArgs:
    - name: node-ip
      value: $NODE_IPV4,$NODE_IPV6
timeouts:
  discovery: 60m0s
  kubeletHealthCheck: 20m0s
  kubernetesAPICall: 10m0s
  tlsBootstrap: 20m0s
TEXT

if [ ! -e /etc/kubernetes/kubelet.conf ]; then
  changed "kubeadm join, as $NODE_NAME"
  kubeadm join --config "$CONFIG"
fi

summary
