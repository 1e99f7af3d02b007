// SPDX-License-Identifier: Apache-2.0
// The way out: a DaemonSet that takes Signalbox off each node, once the agent's DaemonSet is gone and kube-proxy is back.
// Its pod is ready when nothing is left on the node.

import { metadata } from './labels.ts';
import { place } from './place.ts';
import { HOST_VOLUMES, hostMounts, ON_EVERY_NODE, PROC_ENVIRONMENT } from './pod-parts.ts';

const NAME = 'signalbox-removal';
const LABELS = { 'app.kubernetes.io/name': NAME };

export const WAY_OUT = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { ...metadata(NAME), labels: LABELS },
  spec: {
    selector: { matchLabels: LABELS },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '100%' } },
    template: {
      metadata: { labels: LABELS },
      spec: {
        automountServiceAccountToken: false,
        ...ON_EVERY_NODE,
        terminationGracePeriodSeconds: 1,
        initContainers: [
          {
            name: 'remove',
            image: place('image'),
            imagePullPolicy: place('imagePullPolicy'),
            args: ['cleanup', '--drain'],
            env: [PROC_ENVIRONMENT],
            securityContext: { privileged: true, readOnlyRootFilesystem: true },
            volumeMounts: hostMounts('HostToContainer'),
          },
        ],
        containers: [
          {
            name: 'done',
            image: place('image'),
            imagePullPolicy: place('imagePullPolicy'),
            command: ['node', '-e', 'setInterval(() => {}, 2 ** 30)'],
            securityContext: {
              readOnlyRootFilesystem: true,
              runAsNonRoot: true,
              runAsUser: 65534,
              allowPrivilegeEscalation: false,
              capabilities: { drop: ['ALL'] },
            },
          },
        ],
        volumes: HOST_VOLUMES,
      },
    },
  },
};
