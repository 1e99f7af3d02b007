// SPDX-License-Identifier: Apache-2.0
// The network namespace that this process is in, as the programs know it, and looks into others.

import { closeSync, openSync, statSync } from 'node:fs';
import test from 'ava';
import { KernelMap } from '../../agent/sys/kernel-map.ts';
import { MAPS } from '../../agent/sys/layout.gen.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { insideNetns, netnsCookie } from '../../agent/sys/libbpf/netns.ts';
import { namespacePath } from '../lab/netns.ts';
import { HandMadeServices } from './hand-made-services.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';

let namespace: number;

const node = nodeForFile(test, async (made) => {
  namespace = openSync(namespacePath(made.namespace), 'r');
});
test.after.always(() => {
  if (namespace !== undefined) closeSync(namespace);
});

const ownInode = () => statSync('/proc/thread-self/ns/net').ino;

test.serial('the cookie is that which programs see', async (t) => {
  if (!canMakeNodes(t)) return;
  const services = new HandMadeServices(node());
  t.teardown(() => services.close());
  // Affinity is by cookie: a connection leaves one in the table.
  services.lead(1, 'UDP', '10.96.0.1', '10.244.1.1', { affinityTimeoutSeconds: 60 });
  services.addMember(1, '10.244.1.1');
  const probe = await SocketProbe.start(node());
  const socket = await probe.open('udp', 4);
  t.is(await socket.connect('10.96.0.1', 80), '');
  const affinities = new KernelMap(
    RawMap.openPin(services.pins.map(MAPS.affinities)),
    MAPS.affinities,
  );
  t.teardown(() => affinities.close());
  t.deepEqual(
    affinities.entries().map(([{ netnsCookie: cookie }]) => cookie),
    [insideNetns(namespace, netnsCookie)],
  );
});

test.serial('inside another namespace, and back', (t) => {
  if (!canMakeNodes(t)) return;
  const here = { inode: ownInode(), cookie: netnsCookie() };
  const there = insideNetns(namespace, () => ({ inode: ownInode(), cookie: netnsCookie() }));
  t.is(there.inode, statSync(namespacePath(node().namespace)).ino);
  t.not(there.cookie, here.cookie);
  t.throws(
    () =>
      insideNetns(namespace, () => {
        throw new Error('inside');
      }),
    { message: 'inside' },
  );
  t.deepEqual({ inode: ownInode(), cookie: netnsCookie() }, here);
});

test.serial('what is no network namespace cannot be entered', (t) => {
  if (!canMakeNodes(t)) return;
  const file = openSync('/proc/self/ns/mnt', 'r');
  t.teardown(() => closeSync(file));
  t.throws(() => insideNetns(file, () => t.fail()), { code: 'EINVAL' });
});
