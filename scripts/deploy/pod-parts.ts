// SPDX-License-Identifier: Apache-2.0
// What the pods of the agent and of the way out have in common: where they run, and what of the host they see.

import { noted, place } from './place.ts';

/** kube-proxy's configuration directory, so that paths in its configuration go on being right. */
export const CONFIG_DIRECTORY = '/var/lib/kube-proxy';

/** The host's processes, by which network namespaces of pods are found, and its sysctls. */
const HOST_PROC = '/host/proc';

/** For every command that is run in the container, the agent among them. */
export const PROC_ENVIRONMENT = { name: 'SIGNALBOX_PROC', value: HOST_PROC };

export const ON_EVERY_NODE = {
  hostNetwork: true,
  dnsPolicy: noted('Names are for the API server alone, and cluster DNS is a Service.', 'Default'),
  priorityClassName: 'system-node-critical',
  enableServiceLinks: false,
  nodeSelector: place('nodeSelector'),
  tolerations: [{ operator: 'Exists' }],
  imagePullSecrets: place('imagePullSecrets'),
};

export const CONFIG_MOUNT = { name: 'config', mountPath: CONFIG_DIRECTORY, readOnly: true };

export const CONFIG_VOLUME = { name: 'config', configMap: { name: place('configMap.name') } };

/** @param bpffs how mounts of the BPF file system travel between the host and the container. */
export function hostMounts(bpffs: 'HostToContainer' | 'Bidirectional') {
  return [
    { name: 'bpffs', mountPath: '/sys/fs/bpf', mountPropagation: bpffs },
    { name: 'cgroup', mountPath: '/host/cgroup', mountPropagation: 'HostToContainer' },
    { name: 'run', mountPath: '/run/signalbox' },
    { name: 'proc', mountPath: HOST_PROC },
    { name: 'xtables-lock', mountPath: '/run/xtables.lock' },
  ];
}

export const HOST_VOLUMES = [
  {
    name: 'bpffs',
    hostPath: noted('Programs and tables stay here when the agent is gone.', {
      path: '/sys/fs/bpf',
      type: 'Directory',
    }),
  },
  {
    name: 'cgroup',
    hostPath: noted('Whose processes are served: all of the node.', {
      path: '/sys/fs/cgroup',
      type: 'Directory',
    }),
  },
  { name: 'run', hostPath: { path: '/run/signalbox', type: 'DirectoryOrCreate' } },
  { name: 'proc', hostPath: { path: '/proc', type: 'Directory' } },
  {
    name: 'xtables-lock',
    hostPath: noted('For removing the rules of kube-proxy.', {
      path: '/run/xtables.lock',
      type: 'FileOrCreate',
    }),
  },
];
