// SPDX-License-Identifier: Apache-2.0
// Chapter: the agent of a node dies under load. Traffic goes on, a download from outside too; changes wait for
// the next one. The download is fetched by pieces, so that it lasts for as long as it is looked at.

import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../agent-process.ts';
import type { DownloadResult } from '../apps/download.ts';
import { until } from '../until.ts';
import { formatLoad, fromVisitors, underLoad } from './load.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

const PER_SECOND = 150;
/** Pieces of the download that are fetched while there is no agent, and how long each is waited for. */
const PIECES = 8;
const PIECE_MS = 125;
/** Together more than buffers between client and pod hold (tcp_rmem, tcp_wmem: 6 and 4 MiB by default, Linux 6.18). */
const PIECE = 4 * 2 ** 20;
const LATE = 'late-quote';
/** Its pod is on node-2: what comes in on node-1 is sent on there. */
const LARGE = 'quiz';
const MIB = 2 ** 20;

export const agentLoss: Chapter = {
  title: 'The agent is killed under load',
  shows: 'Programs and tables are pinned in the kernel: traffic needs nobody, only changes wait.',
  async play(scene) {
    const { lab } = scene;
    const [agent] = lab.agents;
    if (!agent) throw new Error('the lab runs without agents');
    const { ipv4: host } = scene.addressesOf('quote');
    const { ipv4: node } = lab.node(1).addresses;
    const outside = { host: node, port: scene.nodePortOf('quote') };
    scene.action(`both visitors: ${PER_SECOND} new connections a second to http://${host}/`);
    scene.action(`outside-2: as many to http://${outside.host}:${outside.port}/`);
    const loads = [
      ...fromVisitors(scene, { host }, PER_SECOND),
      { client: scene.outsider(2).client, target: outside, perSecond: PER_SECOND },
    ];
    const download = await startDownload(scene, node);
    const result = await underLoad(loads, async () => {
      scene.command(`kill -9 ${agent.pid}     (the agent of node-1)`);
      await agent.kill();
      scene.action(`Service ${LATE} is created, with nobody to hear of it on node-1`);
      lab.applyManifests(lateService());
      await expectPieces(scene, download);
      await expectUnknown(scene);
      const flow = await flowOf(scene, agent);
      await startAgain(scene, agent);
      const { client, seenAs } = await expectWhole(scene, download.finish());
      const isSame = flow.client === client && flow.seenAs === seenAs;
      scene.expect(isSame, `outside it is ${client}, to the pod ${seenAs}: as flows said`);
    });
    scene.expect(result.failures.length === 0, `meanwhile ${formatLoad(result)}`);
    const after = await scene.requests(1, { host: scene.addressesOf(LATE).ipv4 }, 40);
    scene.expect(after.failures.length === 0, formatCounts(after));
  },
};

interface RunningDownload {
  /** So many more bytes. @returns how many in all. */
  readonly read: (bytes: number) => Promise<number>;
  readonly finish: () => Promise<DownloadResult>;
}

async function startDownload(scene: Scene, host: string): Promise<RunningDownload> {
  scene.patchService(LARGE, { type: 'NodePort' });
  const target = { host, port: scene.nodePortOf(LARGE) };
  await scene.reachedFromOutside(target);
  const { name, client } = scene.outsider(1);
  scene.action(
    `${name}: a download from http://${target.host}:${target.port}/, of ${LARGE} on node-2`,
  );
  const download = await client.call('startDownload', target);
  const read = (bytes: number) => client.call('download', { download, bytes });
  await read(PIECE);
  return { read, finish: () => client.call('finishDownload', { download }) };
}

async function expectPieces(scene: Scene, { read }: RunningDownload): Promise<void> {
  const before = await read(0);
  let bytes = before;
  for (let piece = 0; piece < PIECES; piece++) {
    [bytes] = await Promise.all([read(PIECE), sleep(PIECE_MS)]);
  }
  const more = bytes - before;
  scene.expect(
    more > (PIECES - 1) * PIECE,
    `the download goes on: ${Math.round(more / MIB)} MiB more`,
  );
}

async function expectUnknown(scene: Scene): Promise<void> {
  const late = { host: scene.addressesOf(LATE).ipv4, port: 80 };
  const { errno } = await scene.visitor(1).call('connect', late);
  scene.expect(errno !== undefined, `${LATE} is not known on node-1 yet: ${errno ?? 'connected'}`);
}

/** The download as the kernel knows it: both ends, as `address:port`. */
async function flowOf(
  scene: Scene,
  agent: AgentProcess,
): Promise<{ readonly client?: string; readonly seenAs?: string }> {
  const { ipv4 } = scene.outsider(1).addresses;
  const args = ['--client', ipv4, '--state', 'established'];
  scene.command(`signalbox flows ${args.join(' ')}     (on node-1)`);
  const { code, stdout, stderr } = await agent.run('flows', ...args);
  if (code !== 0) throw new Error(stderr.trim());
  scene.output(stdout);
  const flows = stdout.split('\n').filter((line) => line.startsWith(NAMESPACE));
  scene.expect(flows.length === 1, 'the kernel tells of it, without an agent');
  const [, , client, , , seenAs] = flows[0]?.split(/\s+/) ?? [];
  return { ...(client && { client }), ...(seenAs && { seenAs }) };
}

async function startAgain(scene: Scene, agent: AgentProcess): Promise<void> {
  scene.action('the agent of node-1 is started again');
  const begun = performance.now();
  await showWaiting('the agent starts', agent.start());
  const late = { host: scene.addressesOf(LATE).ipv4, port: 80 };
  await until(`${LATE} answers`, async () => {
    const { peer } = await scene.visitor(1).call('connect', late);
    return peer !== undefined;
  });
  scene.expect(true, `${LATE} answers ${Math.round(performance.now() - begun)} ms after the start`);
}

async function expectWhole(
  scene: Scene,
  finished: Promise<DownloadResult>,
): Promise<DownloadResult> {
  const result = await showWaiting('the download ends', finished);
  const { bytes, isWhole, errno } = result;
  const size = `${Math.round(bytes / MIB)} MiB`;
  scene.expect(
    isWhole,
    isWhole ? `the download is whole: ${size}` : `${errno ?? 'other bytes'} after ${size}`,
  );
  return result;
}

function lateService(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${LATE}, namespace: ${NAMESPACE} }
    spec: { selector: { app: quote }, ports: [{ port: 80, targetPort: http }] }
  `;
}
