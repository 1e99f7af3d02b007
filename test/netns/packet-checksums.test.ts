// SPDX-License-Identifier: Apache-2.0
// Who makes checksums, and who looks at them: between virtual devices as they are nobody does either, so a wrong
// one is not noticed. Here the devices of one side make them, and those of the other see whether they are right.

import test from 'ava';
import { finished } from '../lab/run-command.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { compileProgram } from './compile-program.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { comeTo, keeping, type Row, servedBy } from './packet-rows.ts';
import { nodePortsOf, packetService, waysTo } from './packet-services.ts';

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;

const BACKENDS: readonly [backend: string, number: number, seen: string][] = [
  [LOCAL, 1, keeping(CLIENT)],
  [REMOTE, 2, NODE_IP],
];

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write(
    'services',
    BACKENDS.flatMap(([backend, number]) => packetService(number, [backend])),
  );
  await node.agent.start();
});

for (const [who, places] of [
  ['the node', () => [network().node]],
  [
    'whoever sends',
    () => [network().client, network().other, ...BACKENDS.map(([ip]) => network().pod(ip))],
  ],
] as const) {
  test.serial(`made by ${who}: every packet is taken`, async (t) => {
    if (!canMakeNodes(t)) return;
    for (const place of places()) {
      t.teardown(() => setChecksums(place, 'on'));
      await setChecksums(place, 'off');
    }
    const rows = BACKENDS.flatMap(([backend, number, seen]) => {
      const becomes = servedBy(backend, seen);
      const from = waysTo(number).map((way) => ({ ...way, source: CLIENT, becomes }));
      return from.flatMap((row): Row[] => [row, { ...row, kinds: ['udp'], size: 1_200 }]);
    });
    await comeTo(t, network(), rows);
    for (const [backend, number, seen] of BACKENDS) {
      const [way] = nodePortsOf(number);
      const becomes = servedBy(backend, seen);
      if (!way) continue;
      const bulk: Row = { ...way, source: CLIENT, kinds: ['bulk'], size: 1_000_000, becomes };
      await comeTo(t, network(), [bulk]);
    }
  });
}

/** Of all devices there. */
async function setChecksums(place: Place, state: 'on' | 'off'): Promise<void> {
  const program = await compileProgram('transmit-checksums.c', network().node.directory);
  const child = spawnInside(place, [program, state], { stdio: ['ignore', 'ignore', 'pipe'] });
  const { code, stderr } = await finished(child);
  if (code !== 0) throw new Error(`transmit-checksums ${state}: exit code ${code}: ${stderr}`);
}
