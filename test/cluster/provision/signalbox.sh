#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signalbox, from an image file: there is no registry. On a worker only the image; on the control plane the DaemonSet
# as well, with `kubectl apply -k`. It gets the API server's real address, since nobody else implements the Service
# `kubernetes` here. Reads: IMAGE (scripts/image makes it), and on the control plane DEPLOY (the folder deploy/),
# NODE_IPV4, POD_NETWORK, POD_RANGES.
# shellcheck source=test/cluster/provision/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need IMAGE
POD_NETWORK=${POD_NETWORK:-routes}
POD_RANGES=${POD_RANGES:-10.244.0.0/16,fd00:10:244::/48}
# What is applied: deploy/ with the two values of this cluster, and a folder more that names the image file's content:
# agents of an earlier one of the same name are replaced.
APPLIED=$STATE/deploy

[ -e "$IMAGE" ] || fail "there is no $IMAGE: scripts/image makes it, before the machines are provisioned"
import_images "$IMAGE"

if [ -e "$ADMIN" ]; then
  need DEPLOY NODE_IPV4
  export KUBECONFIG=$ADMIN
  mkdir -p "$STATE"
  rm -rf "$APPLIED"
  cp -r "$DEPLOY" "$APPLIED"
  # Who comes from a pod of this node meets no externalTrafficPolicy; who comes from another node's does. flannel puts
  # the node's address in place of those pods', so that ranges tell them apart. With "routes" they keep their own, and
  # only the bridge tells: kube-proxy would have to be told the same.
  if [ "$POD_NETWORK" = flannel ]; then
    pods="\1clusterCIDR: $POD_RANGES"
  else
    pods="\1detectLocalMode: BridgeInterface\n\1detectLocal: { bridgeInterface: cni0 }"
  fi
  sed -i -e "s|^\( *server:\) .*|\1 https://$NODE_IPV4:6443|" -e "s|^\( *\)clusterCIDR: .*|$pods|" \
    "$APPLIED/kustomize/other/config-map.yaml"
  mkdir "$APPLIED/kustomize/cluster"
  cat >"$APPLIED/kustomize/cluster/kustomization.yaml" <<TEXT
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../other
patches:
  - target: { kind: DaemonSet, name: signalbox }
    patch: |
      - op: add
        path: /spec/template/metadata/annotations
        value: { cluster/image-file: $(digest "$IMAGE") }
      # On a slow machine an agent that begins is not to be ended for it, and made to begin again.
      - op: add
        path: /spec/template/spec/containers/0/startupProbe
        value: { httpGet: { path: /livez, port: 10256 }, periodSeconds: 5, timeoutSeconds: 60, failureThreshold: 240 }
      - op: replace
        path: /spec/template/spec/containers/0/livenessProbe/timeoutSeconds
        value: 60
      - op: replace
        path: /spec/template/spec/containers/0/livenessProbe/failureThreshold
        value: 60
TEXT
  # The API server of a slow machine comes and goes until everything has started.
  retry 900 kubectl apply -k "$APPLIED/kustomize/cluster"
  while IFS= read -r line; do
    case $line in *' unchanged' | '') ;; *) changed "$line" ;; esac
  done <<<"$SAID"
fi

summary
