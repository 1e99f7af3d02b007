// SPDX-License-Identifier: Apache-2.0
// The addresses at which a network namespace is reached: just those that the kernel takes for local ones,
// however they come and go.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { namespacePath } from '../lab/netns.ts';
import { runCommand } from '../lab/run-command.ts';
import { until } from '../lab/until.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';

const FOLLOWER = fileURLToPath(new URL('follow-addresses.ts', import.meta.url));

/** What every test node has. */
const OWN = ['10.244.255.1', 'fd00:10:244:ffff::1'];

interface Line {
  readonly addresses?: readonly string[];
  readonly msg?: string;
}

let follower: ChildProcess;
const lines: Line[] = [];

const node = nodeForFile(test, async (made) => {
  follower = made.spawn([process.execPath, FOLLOWER], { stdio: ['pipe', 'pipe', 'inherit'] });
  createInterface({ input: follower.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    lines.push(JSON.parse(line) as Line);
  });
});

test.serial('the first list comes at once', async (t) => {
  if (!canMakeNodes(t)) return;
  await isListed(t, OWN);
  t.is(lines.length, 1);
});

test.serial('addresses of every kind of device', async (t) => {
  if (!canMakeNodes(t)) return;
  await ip(
    // Of a device that is down; of one without carrier.
    'link add off type veth peer name off-peer',
    'addr add 192.0.2.1/24 dev off',
    'link add dark type veth peer name dark-peer',
    'link set dark up',
    'addr add 192.0.2.2/24 dev dark',
    'addr add fd00:2::2/64 dev dark nodad',
    // As load balancers have them; one end of two; not for new connections of the node itself.
    'addr add 192.0.2.3/32 dev lo',
    'addr add 192.0.2.4 peer 192.0.2.44 dev dark',
    'addr add fd00:2::4 peer fd00:2::44 dev dark nodad',
    'addr add fd00:2::5/128 dev lo nodad preferred_lft 0',
    // Not these.
    'addr add 127.0.0.2/32 dev lo',
    'addr add fe80::7/64 dev lo nodad',
  );
  await isListed(t, [
    ...OWN,
    ...['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', 'fd00:2::2', 'fd00:2::4', 'fd00:2::5'],
  ]);
});

test.serial('an address that others may have counts when nobody has it', async (t) => {
  if (!canMakeNodes(t)) return;
  const before = listed();
  await inside(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/dark/accept_dad']);
  // Without carrier nobody can be asked.
  await ip('addr add fd00:2::8/64 dev dark', 'addr add 192.0.2.8/32 dev lo');
  await isListed(t, [...before, '192.0.2.8']);
  await ip('link set dark-peer up');
  await isListed(t, [...before, '192.0.2.8', 'fd00:2::8']);
});

test.serial('what is taken away is gone', async (t) => {
  if (!canMakeNodes(t)) return;
  await ip('addr del 192.0.2.3/32 dev lo', 'link del off', 'link del dark');
  await isListed(t, [...OWN, '192.0.2.8', 'fd00:2::5']);
  await ip('addr flush dev lo scope global');
  await isListed(t, []);
});

test.serial('what happens while messages are lost is seen', async (t) => {
  if (!canMakeNodes(t)) return;
  const before = lines.length;
  follower.kill('SIGSTOP');
  // More than a socket holds messages of.
  const crowd = Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255}/32 dev lo`);
  await ip(...crowd.map((address) => `addr add ${address}`));
  await ip(...crowd.slice(1).map((address) => `addr del ${address}`));
  follower.kill('SIGCONT');
  await isListed(t, ['10.1.0.0']);
  t.true(lines.slice(before).some(({ msg }) => msg === 'messages about addresses were lost'));
  // And it goes on listening.
  await ip('addr add 10.1.0.1/32 dev lo');
  await isListed(t, ['10.1.0.0', '10.1.0.1']);
});

test.serial('a watch that is over keeps no process alive', async (t) => {
  if (!canMakeNodes(t)) return;
  const ended = once(follower, 'exit');
  follower.stdin?.end();
  t.deepEqual(await ended, [0, null]);
});

function listed(): readonly string[] {
  return lines.findLast(({ addresses }) => addresses)?.addresses ?? [];
}

/** Waits until these are listed, and asks the kernel whether it takes them, and no others, for its own. */
async function isListed(t: ExecutionContext, addresses: readonly string[]): Promise<void> {
  const wanted = [...addresses].sort();
  await until(`${wanted} are listed`, () => listed().join() === wanted.join());
  t.deepEqual([...(await localRoutes()), ...(await localRoutes('-6'))].sort(), wanted);
}

/** Single addresses that are local, without those that are left out on purpose. */
async function localRoutes(...family: readonly string[]): Promise<readonly string[]> {
  const ask = ['ip', ...family, '-json', 'route', 'show', 'table', 'local', 'type', 'local'];
  const routes = JSON.parse(await inside(ask)) as readonly { readonly dst: string }[];
  return routes.map(({ dst }) => dst).filter((dst) => !/\/|^127\.|^::1$|^fe80:/.test(dst));
}

function ip(...commands: readonly string[]): Promise<string> {
  return inside(['ip', '-batch', '-'], commands.map((command) => `${command}\n`).join(''));
}

function inside(argv: readonly string[], input?: string): Promise<string> {
  return runCommand(['nsenter', `--net=${namespacePath(node().namespace)}`, ...argv], input);
}
