#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The first node: `kubeadm init` without kube-proxy, dual stack. It runs pods like every other node. Reads: NODE_NAME
# NODE_IPV4 NODE_IPV6, SERVICE_RANGES, POD_RANGES, TOKEN, KUBERNETES_BUNDLE, and for POD_NETWORK=flannel FLANNEL_MANIFEST.
# shellcheck source=test/cluster/provision/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need NODE_NAME NODE_IPV4 NODE_IPV6 TOKEN
SERVICE_RANGES=${SERVICE_RANGES:-10.96.0.0/16,fd00:10:96::/112}
POD_RANGES=${POD_RANGES:-10.244.0.0/16,fd00:10:244::/48}
POD_NETWORK=${POD_NETWORK:-routes}
KUBERNETES_BUNDLE=${KUBERNETES_BUNDLE:-}
FLANNEL_MANIFEST=${FLANNEL_MANIFEST:-https://github.com/flannel-io/flannel/releases/download/v0.27.4/kube-flannel.yml}
CONFIG=/etc/kubernetes/signalbox-cluster.yaml
PATCHES=/etc/kubernetes/signalbox-cluster-patches

# "routes" has given each machine its ranges: the controller manager is not to give out others.
pod_subnet=
if [ "$POD_NETWORK" = flannel ]; then pod_subnet="podSubnet: $POD_RANGES"; fi

# A bundle has the images that it has: without CoreDNS a cluster has no names, and everything else.
no_dns=false
# Not in a pipe: grep ends at the first match, and pipefail would take the end of ctr for "not there".
images=$(ctr --namespace k8s.io images ls -q)
if [ -n "$KUBERNETES_BUNDLE" ] && ! grep -q /coredns <<<"$images"; then no_dns=true; fi

# On a slow machine a probe that is answered late would end etcd or the API server, and make it slower still.
for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  put "$PATCHES/$component+strategic.yaml" <<TEXT
spec:
  containers:
    - name: $component
      livenessProbe: { failureThreshold: 60, timeoutSeconds: 60 }
      startupProbe: { timeoutSeconds: 60 }
TEXT
done

# Machines may be emulated: the times are long, the keys of the cheapest kind, and there is no election, since on a
# slow machine a component that renews late ends, and there is no other one to take over.
put "$CONFIG" 600 <<TEXT
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
  - token: $TOKEN
    ttl: 0s
patches:
  directory: $PATCHES
localAPIEndpoint:
  advertiseAddress: $NODE_IPV4
nodeRegistration:
  name: $NODE_NAME
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: IfNotPresent
  taints: []
  kubeletExtraArgs:
    - name: node-ip
      value: $NODE_IPV4,$NODE_IPV6
timeouts:
  controlPlaneComponentHealthCheck: 20m0s
  etcdAPICall: 10m0s
  kubeletHealthCheck: 20m0s
  kubernetesAPICall: 10m0s
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $(kubeadm version -o short)
encryptionAlgorithm: ECDSA-P256
controllerManager:
  extraArgs:
    - name: leader-elect
      value: "false"
scheduler:
  extraArgs:
    - name: leader-elect
      value: "false"
networking:
  serviceSubnet: $SERVICE_RANGES
  $pod_subnet
proxy:
  disabled: true
dns:
  disabled: $no_dns
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
failSwapOn: false
TEXT

if [ ! -e "$ADMIN" ]; then
  changed "kubeadm init, as $NODE_NAME"
  kubeadm init --config "$CONFIG" --skip-token-print
elif [ "$WAS_PUT" = yes ]; then
  echo "$PART: the cluster is there already: $CONFIG counts for the next one"
fi

# A token goes with the cluster's state, not with its configuration: worker.sh may come long after.
export KUBECONFIG=$ADMIN
retry 600 kubectl version
retry 600 kubeadm token list -o jsonpath='{.token}{"\n"}'
if ! grep -qxF "$TOKEN" <<<"$SAID"; then
  retry 600 kubeadm token create "$TOKEN" --ttl 0
  changed 'made the token that workers join with'
fi

if [ "$POD_NETWORK" = flannel ] && ! kubectl -n kube-flannel get daemonset kube-flannel-ds >/dev/null 2>&1; then
  changed "flannel from $FLANNEL_MANIFEST"
  kubectl apply -f "$FLANNEL_MANIFEST" >/dev/null
  kubectl -n kube-flannel patch configmap kube-flannel-cfg --type merge -p "$(
    cat <<JSON
{ "data": { "net-conf.json": "{ \"Network\": \"${POD_RANGES%,*}\", \"EnableIPv6\": true, \"IPv6Network\": \"${POD_RANGES#*,}\", \"Backend\": { \"Type\": \"vxlan\" } }" } }
JSON
  )" >/dev/null
  # Machines may have another device with the same address on each of them, as those of VirtualBox do.
  kubectl -n kube-flannel patch daemonset kube-flannel-ds --type json -p "[
    { \"op\": \"add\", \"path\": \"/spec/template/spec/containers/0/args/-\", \"value\": \"--iface-can-reach=$NODE_IPV4\" }
  ]" >/dev/null
fi

summary
