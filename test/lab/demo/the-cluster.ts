// SPDX-License-Identifier: Apache-2.0
// Chapter: what runs, and what the kernel of a node holds because of it.

import type { AgentProcess } from '../agent-process.ts';
import { formatHostPort } from '../host-port.ts';
import { podSpec } from '../pod-object.ts';
import { isHeadless, serviceSpec } from '../service-spec.ts';
import type { Chapter, Scene } from './scene.ts';

export const theCluster: Chapter = {
  title: 'The cluster, and what the kernel holds',
  shows:
    'Nodes and pods are network namespaces; each node runs the real agent. What it programmed outlives it.',
  async play(scene) {
    const { lab } = scene;
    for (const { name, addresses } of lab.nodes) {
      const pods = lab.store.list('Pod').filter((pod) => podSpec(pod).nodeName === name);
      const names = pods.map((pod) => pod.metadata.name).join(', ');
      scene.output(`${name}  ${addresses.ipv4}  ${names}`);
    }
    for (const { name, addresses } of lab.outsiders) {
      scene.output(`${name}  ${addresses.ipv4}, no part of the cluster`);
    }
    const [first] = lab.agents;
    if (!first) throw new Error('the lab runs without agents');
    for (const agent of lab.agents) {
      const text = await look(scene, agent, 'status');
      if (agent === first) scene.output(text);
      scene.expect(text.startsWith('Healthy'), `the datapath of ${agent.node.name} is healthy`);
    }
    const held = await look(scene, first, 'services');
    scene.output(held);
    const missing = frontends(scene).filter((frontend) => !held.includes(` ${frontend} `));
    scene.expect(
      missing.length === 0,
      missing.length === 0
        ? 'every address of every Service is in the kernel'
        : `not in the kernel: ${missing.join(', ')}`,
    );
  },
};

/** Runs a subcommand on the agent's node. @returns what it says. */
async function look(scene: Scene, agent: AgentProcess, subcommand: string): Promise<string> {
  scene.command(`signalbox ${subcommand}     (on ${agent.node.name})`);
  const { stdout, stderr } = await agent.run(subcommand);
  return stdout || stderr;
}

/** What the manifests ask for, as `address:port`. */
function frontends(scene: Scene): string[] {
  return scene.lab.store.list('Service').flatMap((service) => {
    const spec = serviceSpec(service);
    if (isHeadless(spec)) return [];
    return (spec.clusterIPs ?? []).flatMap((ip) =>
      (spec.ports ?? []).map(({ port }) => formatHostPort(ip, port)),
    );
  });
}
