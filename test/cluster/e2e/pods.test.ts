// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { schemaProblems } from '../../helpers/kube-schema.ts';
import { eventually, NotYet } from './eventually.ts';
import { outsideAddress } from './outsider.ts';
import { controlAddress, type PodOrder, podManifest } from './pods.ts';

const ORDER: PodOrder = { name: 'one', namespace: 'tests', node: 'w1', image: 'signalbox:1' };

test('pods are as the schema of Kubernetes says', (t) => {
  const orders = [
    ORDER,
    { ...ORDER, hostNetwork: true },
    { ...ORDER, isServer: true, isReady: false, lingersS: 60, labels: { app: 'server' } },
    { ...ORDER, capabilities: ['NET_ADMIN'] },
  ];
  for (const order of orders) {
    const manifest = { apiVersion: 'v1', kind: 'Pod', ...podManifest(order) };
    t.deepEqual(schemaProblems(manifest as never), []);
  }
});

test('the program fits into one argument of a process', (t) => {
  const [container] = podManifest(ORDER).spec?.containers ?? [];
  // MAX_ARG_STRLEN of Linux.
  t.true(Math.max(...(container?.command ?? []).map(({ length }) => length)) < 131_072);
});

test('a pod on its node network is asked by that, any other at its own address', (t) => {
  const at = (hostNetwork: boolean) =>
    controlAddress({ ...podManifest({ ...ORDER, hostNetwork }), status: { podIP: '10.244.11.2' } });
  t.is(at(false).host, '10.244.11.2');
  t.is(at(true).host, '127.0.0.1');
  t.not(at(true).port, at(false).port);
});

test('who is outside is a neighbour of the control plane', (t) => {
  t.is(outsideAddress('192.168.56.10'), '192.168.56.200');
  t.is(outsideAddress('fd00:192:168:56::10'), 'fd00:192:168:56::200');
});

test('what does not happen is told with the last reason', async (t) => {
  const answers = [new NotYet('one of two'), 'both'];
  t.is(await eventually('both are there', async () => answers.shift()), 'both');
  const never = eventually('both are there', async () => new NotYet('one of two'), 0);
  await t.throwsAsync(never, { message: 'did not happen within 0 s: both are there: one of two' });
  const failing = eventually('it answers', () => Promise.reject(new Error('no route')), 0);
  await t.throwsAsync(failing, { message: 'did not happen within 0 s: it answers: no route' });
});
