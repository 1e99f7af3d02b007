// SPDX-License-Identifier: Apache-2.0
// The agent with the capabilities of its DaemonSet and no others; and what doctor says when each of them is taken away.

import test from 'ava';
import { NEEDED_CAPABILITIES } from '../../agent/doctor/probe-machine.ts';
import type { Status } from '../../agent/telemetry/status.ts';
import { agentCapabilities } from '../../scripts/container/check.ts';
import { faultTest } from '../faults/fault-test.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';

const node = nodeForFile(test, async (made) => {
  made.write('web', kubeService('web', [WEB], bothProtocols(80, [BACKEND])));
});

/** What becomes a program with these and no others. */
function withOnly(capabilities: readonly string[]): string[] {
  const names = capabilities.map((name) => `+${name.toLowerCase()}`);
  return ['setpriv', '--bounding-set', ['-all', ...names].join(), '--inh-caps=-all'];
}

/** @returns what doctor says of capabilities; undefined: nothing. */
async function missingOf(capabilities: readonly string[]): Promise<string | undefined> {
  const { stdout } = await node().run([
    ...withOnly(capabilities),
    ...node().signalboxArgv('doctor', '--bpffs', node().bpffs, '--json', '--no-trial'),
  ]);
  const { findings } = JSON.parse(stdout) as { findings: { id: string; found: string }[] };
  return findings.find(({ id }) => id === 'missing-capabilities')?.found;
}

faultTest(test, 'least-capabilities', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const all = agentCapabilities();
  node().agent.wrapper = withOnly(all);
  await node().agent.start();
  await programmed(node(), `${WEB}:80/TCP`, [targetAt(BACKEND)]);
  const { stdout } = await node().signalbox('status', '-o', 'json');
  const { problems, agent } = JSON.parse(stdout) as { problems: string[]; agent: Status };
  t.deepEqual(problems, []);
  t.is(agent.selfTest, 'passed');
  t.is(await missingOf(all), undefined);
  for (const one of all) {
    const without = all.filter((name) => name !== one);
    const name = `CAP_${one}`;
    t.is(await missingOf(without), NEEDED_CAPABILITIES.includes(name) ? name : undefined, one);
  }
  report({ injections: all.length, note: `${all.join(', ')}: served, self-test passed` });
});
