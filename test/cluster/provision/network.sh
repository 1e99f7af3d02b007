#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How pods of different machines reach each other, before there is a Kubernetes: forwarding, both addresses of the
# machine, and a network of pods. "routes" needs no daemon: a bridge on each machine, addresses from its own two
# ranges, and a static route to the ranges of each other one; so the machines must share one network. "flannel"
# leaves all of that to flannel (control-plane.sh). Reads: NODE_IPV4 NODE_IPV6, POD_NETWORK, POD_IPV4 POD_IPV6 PEERS.
# shellcheck source=test/cluster/provision/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need NODE_IPV4 NODE_IPV6
POD_NETWORK=${POD_NETWORK:-routes}
CONFLIST=/etc/cni/net.d/10-signalbox-cluster.conflist
ROUTES=/usr/local/sbin/signalbox-cluster-routes

install_packages iproute2 kmod procps

put /etc/modules-load.d/signalbox-cluster.conf <<'TEXT'
br_netfilter
overlay
TEXT
modprobe -a br_netfilter overlay

# Bridged packets go through netfilter: the harder of the two cases for a proxy, and what kubeadm used to ask for.
put /etc/sysctl.d/90-signalbox-cluster.conf <<'TEXT'
net.bridge.bridge-nf-call-ip6tables = 1
net.bridge.bridge-nf-call-iptables = 1
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
TEXT
[ "$WAS_PUT" = no ] || sysctl -q -p /etc/sysctl.d/90-signalbox-cluster.conf

case $POD_NETWORK in
  routes) need POD_IPV4 POD_IPV6 ;;
  flannel) PEERS= ;;
  *) fail "POD_NETWORK is $POD_NETWORK; it may be routes or flannel" ;;
esac

# At every start of the machine, so its own configuration of the network is left alone.
put "$ROUTES" 755 <<TEXT
#!/bin/sh
# The IPv6 address of this machine in the cluster, if it has none yet, and the ways to the pods of the others.
set -e
device=\$(ip -o -4 address show to $NODE_IPV4 | awk '{ print \$2; exit }')
[ -n "\$device" ] || { echo 'no device has the address $NODE_IPV4' >&2; exit 1; }
[ -n "\$(ip -o -6 address show to $NODE_IPV6)" ] || ip address add $NODE_IPV6/64 dev "\$device" nodad
for peer in ${PEERS:-}; do
  ip route replace "\${peer%=*}" via "\${peer#*=}" dev "\$device"
done
TEXT
routes_put=$WAS_PUT
put /etc/systemd/system/signalbox-cluster-routes.service <<TEXT
[Unit]
Description=Addresses and routes of a Kubernetes cluster for tests
After=network.target network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$ROUTES
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target
TEXT
[ "$WAS_PUT" = no ] || systemctl daemon-reload
systemctl is-enabled -q signalbox-cluster-routes || systemctl enable -q signalbox-cluster-routes
if [ "$routes_put" = yes ] || ! systemctl is-active -q signalbox-cluster-routes; then
  systemctl restart signalbox-cluster-routes
fi

if [ "$POD_NETWORK" = flannel ]; then
  if [ -e "$CONFLIST" ]; then
    rm "$CONFLIST"
    changed "removed $CONFLIST"
  fi
else
  # hairpinMode: a pod may reach itself through a Service. Pods are not masqueraded: they keep their addresses
  # within the cluster, and have no way out of it.
  put "$CONFLIST" <<TEXT
{
  "cniVersion": "1.0.0",
  "name": "signalbox-cluster",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "$POD_IPV4" }], [{ "subnet": "$POD_IPV6" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
TEXT
fi

summary
