// SPDX-License-Identifier: Apache-2.0
// iperf3 through nodePorts, with the offloads of virtual devices as they are: large segments, checksums that
// nobody has computed. A wrong checksum, a segment that is cut wrong or a packet out of order costs a
// retransmission, and there are none.

import test, { type ExecutionContext } from 'ava';
import { requireProgram } from '../helpers/requirements.ts';
import { finished } from '../lab/run-command.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { until } from '../lab/until.ts';
import { inBothFamilies } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService } from './packet-services.ts';

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;

/** By the name of what is served. */
const SERVED = { local: { pod: LOCAL, number: 1 }, remote: { pod: REMOTE, number: 2 } } as const;

/** Where iperf3 listens. */
const STREAM_PORT = 5201;

/** Bytes of each way; a tenth of a second. */
const BYTES = 50_000_000;

/**
 * While others have the CPU, queues of the kernel overflow: a stream that dials the pod itself then has
 * retransmissions as well, in one of three runs, often for a timer that came late. What the programs did wrong they would do in each.
 */
const ATTEMPTS = 12;

/** So little is on the way at once that this is rare. */
const WINDOW = '256K';

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write(
    'services',
    Object.values(SERVED).flatMap(({ pod, number }) =>
      packetService(number, [pod], { targetPort: STREAM_PORT }),
    ),
  );
  await node.agent.start();
});

for (const [where, { pod, number }] of Object.entries(SERVED)) {
  for (const [way, flags] of Object.entries({ 'to it': [], 'from it': ['--reverse'] })) {
    test.serial(`a stream ${way}, ${where} backend: no retransmission`, async (t) => {
      if (!canMakeNodes(t) || !requireProgram(t, 'iperf3')) return;
      for (const address of inBothFamilies(NODE_IP)) {
        const retransmits: number[] = [];
        while (!retransmits.includes(0) && retransmits.length < ATTEMPTS) {
          await startServer(t, pod);
          const asked = ['--bytes', `${BYTES}`, '--window', WINDOW, ...flags];
          const { end } = await iperf(address, number, asked);
          t.true(end.sum_received.bytes >= BYTES * 0.9, `${address}: ${end.sum_received.bytes}`);
          retransmits.push(end.sum_sent.retransmits);
        }
        t.true(retransmits.includes(0), `${address}: ${retransmits}`);
      }
    });
  }

  test.serial(`datagrams, ${where} backend: none lost, none out of order`, async (t) => {
    if (!canMakeNodes(t) || !requireProgram(t, 'iperf3')) return;
    for (const address of inBothFamilies(NODE_IP)) {
      const lost: number[] = [];
      while (!lost.includes(0) && lost.length < ATTEMPTS) {
        await startServer(t, pod);
        const asked = ['--udp', '--length', '1200', '--bitrate', '50M', '--bytes', '3000000'];
        const { end } = await iperf(address, number, asked);
        t.true(end.sum.packets >= 2_400, `${address}: ${end.sum.packets}`);
        lost.push(end.sum.lost_packets);
      }
      t.true(lost.includes(0), `${address}: ${lost}`);
    }
  });
}

interface Report {
  readonly end: {
    readonly sum_sent: { readonly retransmits: number };
    readonly sum_received: { readonly bytes: number };
    readonly sum: { readonly lost_packets: number; readonly packets: number };
  };
}

/** For one test of one client. */
async function startServer(t: ExecutionContext, pod: string): Promise<void> {
  const argv = ['iperf3', '--server', '--one-off', '--port', `${STREAM_PORT}`, '--forceflush'];
  const server = spawnInside(network().pod(pod), argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => server.kill('SIGKILL'));
  let said = '';
  server.stdout?.on('data', (text: Buffer) => {
    said += text;
  });
  await until('iperf3 listens', () => said.includes('listening'));
}

async function iperf(address: string, number: number, flags: readonly string[]): Promise<Report> {
  const { nodePort } = addressesOf(number);
  const argv = ['iperf3', '--json', '--client', address, '--port', `${nodePort}`, ...flags];
  const client = spawnInside(network().client, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { stdout, stderr } = await finished(client);
  const report = JSON.parse(stdout || '{}');
  if (report.error || !report.end) throw new Error(`${argv.join(' ')}: ${report.error ?? stderr}`);
  return report;
}
