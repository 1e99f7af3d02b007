// SPDX-License-Identifier: Apache-2.0
// The agent is killed in place of each call in turn that changes something in the kernel: of its first start, of a start
// over a cluster that has changed, of a change, of a growth. Connections go on all the while, and each look-up is the one
// of before or of after.

import test, { type ExecutionContext } from 'ava';
import { Pins } from '../../agent/sys/pins.ts';
import { faultTest } from '../faults/fault-test.ts';
import { MortalAgent } from '../faults/mortal-agent.ts';
import { lookAtPins } from '../faults/pinned-look.ts';
import { leftOvers } from '../helpers/table-view.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { type Attempt, SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';
import { TestNode } from './test-node.ts';

const WEB = '10.96.0.1';
const OLD = ['10.244.1.1', '10.244.1.2', '10.244.1.3'];
const NEW = ['10.244.1.3', '10.244.1.4'];
const FLAGS = ['--service-cidr', '10.96.0.0/16'];
/** More than the first array of slots holds (agent/sys/slot-array.ts). */
const MANY = Array.from({ length: 2100 }, (_, i) => `10.244.${2 + (i >> 8)}.${i & 255}`);

const web = (backends: readonly string[]) => kubeService('web', [WEB], bothProtocols(80, backends));

/** Something of each table, and of each kind of frontend. */
const rich = kubeService('rich', ['10.96.0.2'], bothProtocols(81, OLD, { nodePort: 30_081 }), {
  spec: {
    type: 'LoadBalancer',
    sessionAffinity: 'ClientIP',
    loadBalancerSourceRanges: ['10.0.0.0/8'],
  },
  ingress: ['203.0.113.1'],
});

/** What a node has in its manifest. */
const STATES = {
  old: web(OLD),
  new: [...web(NEW), ...rich],
  large: [...web(NEW), ...kubeService('large', ['10.96.0.3'], bothProtocols(80, MANY))],
} satisfies Record<string, readonly KubeObject[]>;

type State = keyof typeof STATES;
type Rows = ReturnType<typeof lookAtPins>['rows'];

const targets = (kinds: readonly Target['kind'][]): Target[] =>
  kinds.map((kind) => ({ kind, address: WEB, port: 80 }));

async function makeNode(t: ExecutionContext) {
  const node = await TestNode.create();
  t.teardown(() => node.close());
  await startBackends(node);
  node.agent.flags = FLAGS;
  return {
    node,
    mortal: new MortalAgent(node),
    probe: await SocketProbe.start(node),
    become: (state: State) => node.write('all', STATES[state]),
  };
}

/** @returns how many there were, none of them wrong. */
function allLand(
  t: ExecutionContext,
  attempts: readonly Attempt[],
  also: readonly string[] = [],
): number {
  const right = new Set([...OLD.map(targetAt), ...NEW.map(targetAt), ...also]);
  t.true(attempts.length > 100);
  t.deepEqual(
    attempts.filter(({ landed }) => !right.has(landed)),
    [],
  );
  return attempts.length;
}

const NOTHING: Rows = new Map();

/** A first start: nothing is there, and until it is done nothing is served. */
async function firstStarts(t: ExecutionContext): Promise<{ deaths: number; attempts: number }> {
  const { node, mortal, probe, become } = await makeNode(t);
  const pins = new Pins(node.bpffs);
  become('old');
  await mortal.start();
  const wanted = lookAtPins(node.bpffs).rows;
  t.true(wanted.size > 0);
  await node.agent.end('SIGKILL');
  const load = probe.repeat(targets(['tcp', 'udp']), { timeoutMs: 30_000, pauseUs: 500 });
  for (let number = 1; ; number++) {
    pins.removeAll();
    if (!(await mortal.startUntil(number))) break;
    const served = mortal.links.length > 0;
    // What is on a hook finds all of its tables, and all that is in them.
    const rows = served ? mortal.assertLooksRight(wanted, wanted) : NOTHING;
    t.is(served, rows.size > 0);
    // Over what is left of it, the next one gets to the end.
    if (number % 6 === 0) {
      await mortal.start();
      t.deepEqual(mortal.assertLooksRight(wanted, wanted), wanted);
      await node.agent.end('SIGKILL');
    }
  }
  t.deepEqual(mortal.assertLooksRight(wanted, wanted), wanted);
  probe.stop();
  const attempts = allLand(t, await load, ['ECONNREFUSED']);
  t.log(`first starts: ${mortal.deaths.join(' ')}`);
  return { deaths: mortal.deaths.length, attempts };
}

/** Of a node that serves all the while: changes, growths, and starts over what has changed. */
async function served(t: ExecutionContext): Promise<{ deaths: number; attempts: number }> {
  const { node, mortal, probe, become } = await makeNode(t);
  const rows = async (state: State): Promise<Rows> => {
    become(state);
    await mortal.start();
    const found = lookAtPins(node.bpffs);
    t.deepEqual(found.broken, []);
    await node.agent.end('SIGKILL');
    return found.rows;
  };
  const wanted = { new: await rows('new'), old: await rows('old') };
  const load = probe.repeat(targets(['tcp', 'udp', 'sendto', 'kept']), {
    timeoutMs: 30_000,
    pauseUs: 500,
  });

  // A start over a cluster that has changed: up to where it has written that.
  const toWrites = await mortal.dieUntilAttached(become, wanted);
  // From there on the calls are those of one over a cluster that has not.
  for (let number = toWrites + 1; await mortal.startUntil(number); number++) {
    t.deepEqual(mortal.assertLooksRight(wanted.new, wanted.new), wanted.new);
  }
  const ofStarts = mortal.deaths.splice(0);

  // A change, there and back.
  for (const [from, to] of [
    ['old', 'new'],
    ['new', 'old'],
  ] as const) {
    for (let number = 1; ; number++) {
      become(from);
      await mortal.start();
      const isDead = await mortal.changeUntil(number, () => become(to), wanted[to]);
      mortal.assertLooksRight(wanted[from], wanted[to]);
      await node.agent.end('SIGKILL');
      if (!isDead) break;
    }
  }
  const ofChanges = mortal.deaths.splice(0);

  // A growth, until there is room: from then on it is a change as any other.
  const { capacity } = lookAtPins(node.bpffs);
  const large = new Map(wanted.new);
  for (let number = 1; lookAtPins(node.bpffs).capacity === capacity; number++) {
    become('old');
    await mortal.start();
    t.true(await mortal.changeUntil(number, () => become('large'), large));
    t.deepEqual(lookAtPins(node.bpffs).broken, []);
  }
  const ofGrowths = mortal.deaths.splice(0);

  become('old');
  await mortal.start();
  const { view, rows: last } = lookAtPins(node.bpffs);
  t.deepEqual(last, wanted.old);
  t.deepEqual(leftOvers(view), []);
  probe.stop();
  const attempts = allLand(t, await load);
  t.log(`starts: ${ofStarts.join(' ')}`);
  t.log(`changes: ${ofChanges.join(' ')}`);
  t.log(`growths: ${ofGrowths.join(' ')}`);
  return { deaths: ofStarts.length + ofChanges.length + ofGrowths.length, attempts };
}

faultTest(test, 'kill-between-writes-sockets', async (t, report) => {
  if (!canMakeNodes(t)) return;
  t.timeout(300_000);
  // Side by side: most of the time is that of new processes.
  const both = await Promise.all([firstStarts(t), served(t)]);
  report({
    injections: both.reduce((sum, { deaths }) => sum + deaths, 0),
    attempts: both.reduce((sum, { attempts }) => sum + attempts, 0),
    failed: 0,
  });
});
