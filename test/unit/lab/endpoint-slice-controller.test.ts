// SPDX-License-Identifier: Apache-2.0
// The EndpointSlice controller over a store: it follows, it writes no more than it must, it cleans up.

import test, { type ExecutionContext } from 'ava';
import type { Endpoint } from '../../lab/endpoint.ts';
import { EndpointSliceController } from '../../lab/endpoint-slice-controller.ts';
import { type KubeObject, ObjectStore, type StoreEvent } from '../../lab/object-store.ts';

function start(t: ExecutionContext) {
  const store = new ObjectStore();
  const controller = new EndpointSliceController(store);
  t.teardown(() => controller.stop());
  const writes: string[] = [];
  store.subscribe(({ type, object }: StoreEvent) => {
    if (object.kind === 'EndpointSlice') writes.push(`${type} ${object.metadata.name}`);
  });
  /** What the slices of a Service say now, as `address ready zone`. */
  const endpoints = () => {
    controller.flush();
    return store
      .list('EndpointSlice')
      .flatMap((slice) => slice.endpoints as Endpoint[])
      .map(({ addresses, conditions, zone }) =>
        [addresses[0], conditions.ready, zone].join(' ').trim(),
      );
  };
  return { store, controller, writes, endpoints };
}

const service = (selector: object | undefined, name = 'web'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { ...(selector && { selector }), ports: [{ port: 80 }] },
});
const pod = (
  name: string,
  ip: string,
  ready = true,
  labels = { app: 'web' },
  lastTransitionTime?: string,
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { nodeName: 'n1' },
  status: {
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime }],
  },
});

test('Pods come, become ready, lose their labels and go', (t) => {
  const { store, endpoints } = start(t);
  store.create(service({ app: 'web' }));
  store.create(pod('a', '10.244.0.1', false));
  t.deepEqual(endpoints(), ['10.244.0.1 false']);
  store.apply(pod('a', '10.244.0.1'));
  store.create(pod('b', '10.244.0.2'));
  t.deepEqual(endpoints(), ['10.244.0.1 true', '10.244.0.2 true']);
  store.apply(pod('a', '10.244.0.1', true, { app: 'other' }));
  t.deepEqual(endpoints(), ['10.244.0.2 true']);
  store.delete('Pod', 'default', 'b');
  t.deepEqual(endpoints(), []);
});

test('slices are named after the Service, owned by it, and go with it', (t) => {
  const { store, controller } = start(t);
  const owner = store.create(service({ app: 'web' }));
  controller.flush();
  const [slice] = store.list('EndpointSlice');
  t.regex(slice?.metadata.name ?? '', /^web-[a-z0-9]{5}$/);
  t.like(slice?.metadata.ownerReferences?.[0], { kind: 'Service', uid: owner.metadata.uid });
  store.delete('Service', 'default', 'web');
  controller.flush();
  t.deepEqual(store.list('EndpointSlice'), []);
});

test('nothing is written when nothing changed; a touched slice is updated, not replaced', (t) => {
  const { store, controller, writes } = start(t);
  store.create(service({ app: 'web' }));
  store.create(pod('a', '10.244.0.1'));
  controller.flush();
  const [slice] = store.list('EndpointSlice');
  store.apply({
    ...pod('a', '10.244.0.1'),
    metadata: { name: 'a', labels: { app: 'web', more: 'x' } },
  });
  controller.flush();
  t.deepEqual(writes, [`ADDED ${slice?.metadata.name}`]);
  store.create(pod('b', '10.244.0.2'));
  controller.flush();
  t.deepEqual(writes.slice(1), [`MODIFIED ${slice?.metadata.name}`]);
});

test('what others did to a slice is put right; slices of others are left alone', (t) => {
  const { store, controller, endpoints } = start(t);
  store.create(service({ app: 'web' }));
  store.create(service(undefined, 'manual'));
  store.create(pod('a', '10.244.0.1'));
  controller.flush();
  const [slice] = store.list('EndpointSlice') as [KubeObject];
  store.apply({ ...slice, endpoints: [] });
  t.deepEqual(endpoints(), ['10.244.0.1 true']);
  store.delete('EndpointSlice', 'default', slice.metadata.name);
  t.deepEqual(endpoints(), ['10.244.0.1 true']);
  const labels = { 'kubernetes.io/service-name': 'manual' };
  store.create({ ...slice, metadata: { name: 'by-hand', labels }, endpoints: [] });
  controller.flush();
  store.delete('Service', 'default', 'manual');
  controller.flush();
  t.truthy(store.get('EndpointSlice', 'default', 'by-hand'));
});

test('a Service without a selector has the slices that somebody else gives it', (t) => {
  const { store, controller, writes } = start(t);
  const labels = { 'kubernetes.io/service-name': 'manual' };
  store.create(service(undefined, 'manual'));
  const slice = store.create({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'by-hand', labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.7'] }],
  });
  store.create(pod('a', '10.244.0.1'));
  store.apply({
    ...service(undefined, 'manual'),
    metadata: { name: 'manual', labels: { a: 'b' } },
  });
  controller.flush();
  t.deepEqual(store.list('EndpointSlice'), [slice]);
  t.deepEqual(writes, ['ADDED by-hand']);
});

test('a node’s zone reaches its endpoints', (t) => {
  const { store, endpoints } = start(t);
  store.create(service({ app: 'web' }));
  store.create(pod('a', '10.244.0.1'));
  t.deepEqual(endpoints(), ['10.244.0.1 true']);
  const labels = { 'topology.kubernetes.io/zone': 'z1' };
  store.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels } });
  t.deepEqual(endpoints(), ['10.244.0.1 true z1']);
  store.delete('Node', '', 'n1');
  t.deepEqual(endpoints(), ['10.244.0.1 true']);
});

test('a slice says when that happened for which it was written last', (t) => {
  const { store, controller } = start(t);
  const owner = store.create(service({ app: 'web' }));
  const annotations = () => {
    controller.flush();
    return store.list('EndpointSlice').map(({ metadata }) => metadata.annotations);
  };
  const at = (time: string) => [{ 'endpoints.kubernetes.io/last-change-trigger-time': time }];
  t.deepEqual(annotations(), at(owner.metadata.creationTimestamp ?? ''));
  const became = (name: string, ready: boolean, time: string) =>
    store.apply(pod(name, `10.244.0.${name.length}`, ready, undefined, time));
  became('a', true, '2036-01-01T00:00:03Z');
  became('bb', true, '2036-01-01T00:00:02Z');
  t.deepEqual(annotations(), at('2036-01-01T00:00:02Z'), 'the earlier of two');
  became('a', false, '2036-01-01T00:00:09Z');
  t.deepEqual(annotations(), at('2036-01-01T00:00:09Z'), 'only what is new');
  store.apply({ ...service({ app: 'web' }), metadata: { name: 'web', labels: { app: 'x' } } });
  t.deepEqual(annotations(), [undefined], 'a change of labels has no time');
  became('a', true, '2036-01-01T00:00:10Z');
  store.apply({ ...service({ app: 'web' }), metadata: { name: 'web', annotations: { a: 'b' } } });
  t.deepEqual(
    annotations(),
    at('2036-01-01T00:00:10Z'),
    'a change that changes no slice leaves it',
  );
  t.deepEqual(annotations(), at('2036-01-01T00:00:10Z'));
  const deletionTimestamp = '2036-01-01T00:01:00Z';
  const { metadata } = store.get('Pod', 'default', 'bb') ?? pod('bb', '10.244.0.2');
  store.apply({ ...pod('bb', '10.244.0.2'), metadata: { ...metadata, deletionTimestamp } });
  t.deepEqual(annotations(), [undefined], 'the end of a Pod has no time');
});

test('a Service of the same name is a new one', (t) => {
  const { store, controller } = start(t);
  const time = () => {
    controller.flush();
    const [slice] = store.list('EndpointSlice');
    return slice?.metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'];
  };
  store.create(pod('a', '10.244.0.1', true, undefined, '2036-01-01T00:00:00Z'));
  store.create(service({ app: 'web' }));
  const first = time();
  store.delete('Service', 'default', 'web');
  t.is(time(), undefined);
  const { metadata } = store.create(service({ app: 'web' }));
  t.is(time(), metadata.creationTimestamp);
  t.truthy(first);
});

test('it works by itself, also on what was there before it', async (t) => {
  const store = new ObjectStore();
  store.create(pod('a', '10.244.0.1'));
  store.create(service({ app: 'web' }));
  const controller = new EndpointSliceController(store);
  t.teardown(() => controller.stop());
  const written = await new Promise<KubeObject>((resolve) => {
    store.subscribe(({ object }) => resolve(object));
  });
  t.like(written, { kind: 'EndpointSlice', endpoints: { 0: { addresses: ['10.244.0.1'] } } });
});
