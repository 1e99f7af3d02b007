// SPDX-License-Identifier: Apache-2.0
// Chapter: a node goes back to rules like those of kube-proxy, and comes from there to Signalbox again, under load. One
// download begins before each move and outlives it.

import type { AgentProcess } from '../agent-process.ts';
import { until } from '../until.ts';
import { formatLoad, fromVisitors, underLoad } from './load.ts';
import { type OtherProxy, otherProxy } from './other-proxy.ts';
import type { Chapter, Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

const PER_SECOND = 100;
/** Together more than buffers between client and pod hold. */
const PIECE = 4 * 2 ** 20;
const MIB = 2 ** 20;
const SERVICE = 'quote';

export const anotherProxy: Chapter = {
  title: 'From kube-proxy’s rules to Signalbox, and back, under load',
  shows:
    'What is open stays with who has translated it, what is new goes to who serves: no connection fails.',
  async play(scene) {
    const { lab } = scene;
    const [, agent] = lab.agents;
    if (!agent) throw new Error('the lab runs without agents');
    const node = lab.node(2);
    const other = otherProxy(scene, node);
    scene.patchService(SERVICE, { type: 'NodePort' });
    const inside = { host: scene.addressesOf(SERVICE).ipv4 };
    const outside = { host: node.addresses.ipv4, port: scene.nodePortOf(SERVICE) };
    await scene.reachedFromOutside(outside);
    scene.action(`both visitors: ${PER_SECOND} new connections a second to http://${inside.host}/`);
    scene.action(`outside-1: as many to http://${outside.host}:${outside.port}/, of node-2`);
    const loads = [
      ...fromVisitors(scene, inside, PER_SECOND),
      { client: scene.outsider(1).client, target: outside, perSecond: PER_SECOND },
    ];
    const result = await underLoad(loads, async () => {
      const first = await startDownload(scene, outside);
      await leave(scene, agent, other, first);
      const second = await startDownload(scene, outside);
      await comeBack(scene, agent, other);
      await expectWhole(scene, second);
    });
    scene.expect(result.failures.length === 0, `meanwhile ${formatLoad(result)}`);
  },
};

/** To rules like those of kube-proxy. */
async function leave(
  scene: Scene,
  agent: AgentProcess,
  other: OtherProxy,
  download: number,
): Promise<void> {
  scene.action(`to node-2: ${other.name} (nftables); its agent ends`);
  await showWaiting('its rules are written', other.come());
  await agent.kill();
  scene.command('signalbox cleanup --drain     (on node-2)');
  const draining = agent.run('cleanup', '--drain', '--drain-timeout', '1m');
  await until('node-2 drains', async () => {
    const { stdout } = await agent.run('status');
    return stdout.includes('nothing new is served');
  });
  await expectWhole(scene, download);
  const { code, stdout, stderr } = await showWaiting('node-2 drains', draining);
  scene.output(stdout.split('\n').filter(isTelling).join('\n'));
  scene.expect(code === 0, code === 0 ? 'nothing of Signalbox is left on node-2' : stderr.trim());
}

/** From there. */
async function comeBack(scene: Scene, agent: AgentProcess, other: OtherProxy): Promise<void> {
  scene.action('the agent of node-2 starts');
  await showWaiting('the agent starts', agent.start());
  await other.end();
  scene.command('signalbox cleanup --kube-proxy     (on node-2)');
  const { code, stdout, stderr } = await agent.run('cleanup', '--kube-proxy');
  scene.output(stdout.trim());
  scene.expect(
    code === 0 && /translated go on: [1-9]/.test(stdout),
    code === 0 ? 'what kube-proxy’s rules had translated goes on without them' : stderr.trim(),
  );
}

async function startDownload(
  scene: Scene,
  target: { readonly host: string; readonly port: number },
): Promise<number> {
  const { name, client } = scene.outsider(2);
  scene.action(`${name}: a download from http://${target.host}:${target.port}/`);
  const download = await client.call('startDownload', target);
  await client.call('download', { download, bytes: PIECE });
  return download;
}

async function expectWhole(scene: Scene, download: number): Promise<void> {
  const { client } = scene.outsider(2);
  const { bytes, isWhole, errno } = await client.call('finishDownload', { download });
  const size = `${Math.round(bytes / MIB)} MiB`;
  scene.expect(
    isWhole,
    isWhole
      ? `the download from before is whole: ${size}`
      : `${errno ?? 'other bytes'} after ${size}`,
  );
}

/** Not the list of all that is removed. */
function isTelling(line: string): boolean {
  return line !== '' && !line.startsWith('removed ');
}
