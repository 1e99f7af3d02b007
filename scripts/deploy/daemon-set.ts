// SPDX-License-Identifier: Apache-2.0
// The agent's DaemonSet: kubeadm's of kube-proxy, plus what of the host BPF needs, less the privileges it does not.

import { SERVER_PORTS } from '../../agent/config/bind-address.ts';
import { metadata, NAME, POD_LABELS, SELECTOR } from './labels.ts';
import { items, noted, place } from './place.ts';
import {
  CONFIG_DIRECTORY,
  CONFIG_MOUNT,
  CONFIG_VOLUME,
  HOST_VOLUMES,
  hostMounts,
  ON_EVERY_NODE,
  PROC_ENVIRONMENT,
} from './pod-parts.ts';

const ARGUMENTS = [
  'agent',
  `--config=${CONFIG_DIRECTORY}/config.conf`,
  '--hostname-override=$(NODE_NAME)',
  items('extraArgs'),
];

const ENVIRONMENT = [
  { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
  PROC_ENVIRONMENT,
];

/** What stays when nothing else is needed: no new file, no other user's profile. */
const CONTAINER = { image: place('image'), imagePullPolicy: place('imagePullPolicy') };

const PREPARE = {
  name: 'prepare',
  ...CONTAINER,
  args: [...ARGUMENTS, '--init-only'],
  env: ENVIRONMENT,
  securityContext: noted(
    'Once, before the agent: sysctls, and a BPF file system where the host has mounted none.',
    { privileged: true, readOnlyRootFilesystem: true },
  ),
  volumeMounts: [...hostMounts('Bidirectional'), CONFIG_MOUNT],
};

const AGENT = {
  name: 'agent',
  ...CONTAINER,
  args: ARGUMENTS,
  env: ENVIRONMENT,
  ports: [{ name: 'metrics', containerPort: SERVER_PORTS.metrics }],
  resources: place('resources'),
  securityContext: {
    readOnlyRootFilesystem: true,
    seccompProfile: { type: 'RuntimeDefault' },
    appArmorProfile: noted(
      'The default profile keeps it from looking into /proc for the network namespaces of pods.',
      { type: 'Unconfined' },
    ),
    seLinuxOptions: noted('container_t may not use bpf().', { type: 'spc_t' }),
    capabilities: noted(
      'SYS_ADMIN: BPF tables by their number, and entering network namespaces of pods. SYS_PTRACE: finding those of pods\n' +
        'that are not root. NET_RAW: iptables, to remove the rules of kube-proxy.',
      { drop: ['ALL'], add: ['BPF', 'NET_ADMIN', 'NET_RAW', 'PERFMON', 'SYS_ADMIN', 'SYS_PTRACE'] },
    ),
  },
  startupProbe: noted(
    'Five minutes: on a node that starts everything at once it may take its time.',
    {
      httpGet: { path: '/livez', port: SERVER_PORTS.healthz },
      periodSeconds: 2,
      timeoutSeconds: 5,
      failureThreshold: 150,
    },
  ),
  livenessProbe: {
    httpGet: { path: '/livez', port: SERVER_PORTS.healthz },
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 6,
  },
  readinessProbe: noted(
    'Tables complete and programs attached: an update goes on to the next node only then.',
    {
      httpGet: { path: '/readyz', port: SERVER_PORTS.healthz },
      periodSeconds: 5,
      timeoutSeconds: 5,
    },
  ),
  volumeMounts: [...hostMounts('HostToContainer'), CONFIG_MOUNT],
};

export const DAEMON_SET = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: metadata(),
  spec: {
    selector: { matchLabels: SELECTOR },
    updateStrategy: {
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: place('maxUnavailable') },
    },
    template: {
      metadata: {
        labels: noted(
          'k8s-app: kube-proxy keeps the job name under which Prometheus scrapes kube-proxy.',
          POD_LABELS,
        ),
      },
      spec: {
        serviceAccountName: NAME,
        ...ON_EVERY_NODE,
        terminationGracePeriodSeconds: 10,
        initContainers: [PREPARE],
        containers: [AGENT],
        volumes: [CONFIG_VOLUME, ...HOST_VOLUMES],
      },
    },
  },
};
