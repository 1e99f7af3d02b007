// SPDX-License-Identifier: Apache-2.0
// The proxies that a benchmark's node is given in turn: this one, and kube-proxy in each of its modes where
// the reader has a binary of it.

import type { KubeProxyMode } from '../lab/kube-proxy-config.ts';
import { KubeProxyProcess } from '../lab/kube-proxy-process.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { kubeProxyName } from './proxies-report.ts';
import { type MeasuredProxy, measureProxy, type ProxyMemory } from './proxy-memory.ts';
import { SERVICE_PORT } from './service-objects.ts';

export interface ProxyOptions {
  /** The binary; undefined: this one alone. */
  readonly kubeProxy: string | undefined;
  readonly kubeProxyModes: readonly KubeProxyMode[];
  /** Seconds until a process' memory is read. */
  readonly settle: number;
}

/** Wants the agent to run, and leaves one that has just started. */
export async function measureProxies(
  cluster: BenchCluster,
  { kubeProxy: binary, kubeProxyModes: modes, settle }: ProxyOptions,
  note: (text: string) => void,
): Promise<ProxyMemory[]> {
  const own = signalbox(cluster);
  await own.end();
  await own.cleanup();
  const others = binary === undefined ? [] : modes.map((mode) => kubeProxy(cluster, binary, mode));
  const figures: ProxyMemory[] = [];
  for (const proxy of [own, ...others]) {
    note(proxy.name);
    figures.push(await measureProxy(proxy, `${cluster.lab.id}-memory`, settle * 1000));
  }
  await cluster.agent.start();
  await cluster.programmed();
  return figures;
}

function signalbox(cluster: BenchCluster): MeasuredProxy {
  const { agent } = cluster;
  let started: Promise<void> | undefined;
  return {
    name: 'signalbox',
    begin() {
      started = agent.start();
      return cluster.agentPid;
    },
    async programmed() {
      await started;
      const atMs = Date.now();
      await connectToLast(cluster);
      return atMs;
    },
    end: () => agent.kill(),
    async cleanup() {
      const { code, stderr } = await agent.run('cleanup');
      if (code !== 0) throw new Error(`signalbox cleanup: ${stderr.trim()}`);
    },
  };
}

function kubeProxy(cluster: BenchCluster, binary: string, mode: KubeProxyMode): MeasuredProxy {
  const { node, lab } = cluster;
  const { nodeKubeconfig: kubeconfig, directory } = lab;
  const proxy = new KubeProxyProcess({ binary, node, mode, kubeconfig, directory });
  return {
    name: kubeProxyName(mode),
    begin: () => proxy.begin(),
    async programmed() {
      const atMs = await proxy.synced();
      await connectToLast(cluster);
      return atMs;
    },
    end: () => proxy.stop(),
    cleanup: () => proxy.cleanup(),
  };
}

/** @throws Error when the last Service does not work. */
async function connectToLast(cluster: BenchCluster): Promise<void> {
  const host = cluster.clusterIP('TCP', cluster.count('TCP') - 1);
  const { errno } = await cluster.node.client.call('connect', { host, port: SERVICE_PORT });
  if (errno !== undefined) throw new Error(`the last Service, ${host}, does not answer: ${errno}`);
}
