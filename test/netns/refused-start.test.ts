// SPDX-License-Identifier: Apache-2.0
// The kernel says no to an agent that starts: at each call in turn up to the last hook, and over programs that are at work
// already. It ends and says why; nothing is half attached, and what was at work goes on.

import { readdirSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { Pins } from '../../agent/sys/pins.ts';
import { FaultOrders } from '../faults/fault-orders.ts';
import { faultTest } from '../faults/fault-test.ts';
import { runCommand } from '../lab/run-command.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';
const CLIENTS = (['tcp', 'udp', 'sendto', 'kept'] as const).map(
  (kind): Target => ({ kind, address: WEB, port: 80 }),
);
/** Hooks of a cgroup that the programs are for. */
const HOOKS = 8;

let orders: FaultOrders;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  orders = new FaultOrders(made.directory);
  made.agent.env = orders.env;
  made.write('web', kubeService('web', [WEB], bothProtocols(80, [BACKEND])));
});

async function programsOnHooks(): Promise<number> {
  const text = await runCommand(['bpftool', '-j', 'cgroup', 'show', node().cgroup]);
  return (JSON.parse(text.trim() || '[]') as unknown[]).length;
}

/** Starts it with such orders. @returns the last that it says. */
async function startRefused(t: ExecutionContext, ...refusals: readonly string[]): Promise<string> {
  orders.give(...refusals.map((refusal) => `errno=${refusal}`));
  node().agent.launch();
  t.is(await node().agent.outcome(), 1, refusals.join());
  const said = node().agent.log.map(({ msg }) => `${msg}`);
  const told = said.findLast((line) => line.startsWith('signalbox: ')) ?? said.join('\n');
  t.regex(told, /^signalbox: cannot \S.*: (EPERM|ENOMEM|ENOSPC)/s, refusals.join());
  return told;
}

/** Those that end a start. What is written to the tables is tried again in place of that (refused.test.ts). */
const ENDS = /^(mkdirSync|mapCreate|objectLoadAsync|mapUpdate:|linkCreate|objectPin)/;

faultTest(test, 'refused-start', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const pins = new Pins(node().bpffs);
  orders.give('list');
  await node().agent.start();
  const calls = orders.calls();
  await node().agent.end('SIGKILL');
  t.is(await programsOnHooks(), HOOKS);
  const upTo = calls.slice(0, calls.indexOf('objectPin:links/connect6') + 1);
  const refused = [...new Set(upTo.filter((call) => ENDS.test(call)))];
  t.true(refused.length > 2 * HOOKS, refused.join());
  for (const call of refused) {
    pins.removeAll();
    const at = call.replace(/:$/, '');
    // What is refused is loaded once more, for the words.
    const again = at === 'objectLoadAsync' ? ['EPERM@objectLoad'] : [];
    await startRefused(t, `EPERM@${at}`, ...again);
    t.is(await programsOnHooks(), 0, call);
    t.deepEqual(linksOf(), [], call);
  }

  orders.give();
  await node().agent.start();
  const probe = await SocketProbe.start(node());
  const load = probe.repeat(CLIENTS, { timeoutMs: 30_000, pauseUs: 500 });
  await node().agent.end('SIGKILL');
  const over = [
    ['ENOMEM@objectLoadAsync', 'ENOMEM@objectLoad'],
    ['EPERM@linkUpdate'],
    ['ENOMEM@mapLookupBatch:frontends'],
    ['ENOMEM@mapLookupBatch:slot_array'],
    ['EPERM@objectGet'],
  ];
  for (const refusals of over) {
    await startRefused(t, ...refusals);
    t.is(await programsOnHooks(), HOOKS, refusals.join());
  }
  orders.give();
  await node().agent.start();
  probe.stop();
  const attempts = await load;
  t.true(attempts.length > 100);
  t.deepEqual(
    attempts.filter(({ landed }) => landed !== targetAt(BACKEND)),
    [],
  );
  report({ injections: refused.length + over.length, attempts: attempts.length, failed: 0 });
});

function linksOf(): string[] {
  try {
    return readdirSync(`${node().bpffs}/links`);
  } catch {
    return [];
  }
}
