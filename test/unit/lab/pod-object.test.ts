// SPDX-License-Identifier: Apache-2.0
// What the lab's kubelet says of a Pod.

import test from 'ava';
import type { KubeObject } from '../../lab/object-store.ts';
import { isReady, type Observed, readinessUrl, statusOf } from '../../lab/pod-object.ts';

const HOST = { ipv4: '192.0.2.101', ipv6: '2001:db8:1::101' };
const POD = { ipv4: '10.244.1.2', ipv6: 'fd00:10:244:1::2' };

const pod = (status?: object): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'quote' }] },
  ...(status && { status }),
});
const observed = (fields: Partial<Observed>): Observed => ({
  at: '2026-01-01T00:00:05Z',
  phase: 'Running',
  ready: true,
  addresses: POD,
  host: HOST,
  startTime: '2026-01-01T00:00:01Z',
  ...fields,
});

/** As `type status second`, the second of its last transition. */
const transitions = (status: object) =>
  (status as { conditions: Record<string, string>[] }).conditions.map(
    ({ type, status: value, lastTransitionTime = '' }) =>
      `${type} ${value} ${Number(lastTransitionTime.slice(17, 19))}`,
  );

test('addresses of the Pod and of its host, both families', (t) => {
  t.like(statusOf(pod(), observed({})), {
    hostIP: HOST.ipv4,
    hostIPs: { 1: { ip: HOST.ipv6 } },
    podIP: POD.ipv4,
    podIPs: { 0: { ip: POD.ipv4 }, 1: { ip: POD.ipv6 } },
  });
});

test('a condition keeps its time until it changes', (t) => {
  const first = statusOf(pod(), observed({ ready: false }));
  const at = '2026-01-01T00:00:09Z';
  const same = statusOf(pod(first), observed({ ready: false, at }));
  t.deepEqual(transitions(same), transitions(first));
  const turned = statusOf(pod(first), observed({ at }));
  t.deepEqual(transitions(turned), [
    'PodScheduled True 5',
    'Initialized True 5',
    'ContainersReady True 9',
    'Ready True 9',
  ]);
  t.true(isReady(pod(turned)));
});

test('a process that has ended left an exit code, or was killed', (t) => {
  const stateOf = (fields: Partial<Observed>) => {
    const { containerStatuses } = statusOf(pod(), observed({ ready: false, ...fields })) as {
      containerStatuses?: { state: object }[];
    };
    return containerStatuses?.[0]?.state;
  };
  t.like(stateOf({ phase: 'Succeeded', exitCode: 0 }), { terminated: { exitCode: 0 } });
  t.like(stateOf({ phase: 'Failed', exitCode: null }), { terminated: { exitCode: 137 } });
  t.like(stateOf({}), { running: { startedAt: '2026-01-01T00:00:01Z' } });
});

test('the readiness probe is asked by its port, also by name', (t) => {
  const container = {
    name: 'c',
    image: 'quote',
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { httpGet: { port: 'http', path: '/ready' } },
  };
  t.is(readinessUrl(container, POD), 'http://10.244.1.2:8080/ready');
  t.is(readinessUrl({ name: 'c', image: 'quote' }, POD), undefined);
  const unknown = { ...container, readinessProbe: { httpGet: { port: 'web' } } };
  t.throws(() => readinessUrl(unknown, POD), { message: /no port named web/ });
});
