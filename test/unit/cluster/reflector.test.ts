// SPDX-License-Identifier: Apache-2.0
// The reflector against a real HTTP server that plays what API servers and networks do. Time is not
// waited for: pauses are recorded and end at once.

import test from 'ava';
import {
  ENDPOINT_SLICES,
  SERVICE_CIDRS,
  type WatchedResource,
  watchedResources,
} from '../../../agent/cluster/watched-resources.ts';
import { eventually } from './eventually.ts';
import {
  bookmark,
  names,
  nthQuery,
  type Reflecting as Setup,
  service,
  reflecting as setup,
} from './reflecting.ts';
import { event, page, refusal, type Step, watch } from './scripted-server.ts';

test('asks only for what may matter (semantics 1.1)', async (t) => {
  const services = await setup(t, []);
  const slices = await setup(t, [], { resource: ENDPOINT_SLICES });
  t.deepEqual(await nthQuery(t, services, 1), {
    fieldSelector: 'spec.clusterIP!=None',
    limit: '100',
  });
  t.is(services.requests[0]?.path, '/api/v1/services');
  t.deepEqual(await nthQuery(t, slices, 1), {
    labelSelector: '!service.kubernetes.io/headless',
    limit: '100',
  });
  t.is(slices.requests[0]?.path, '/apis/discovery.k8s.io/v1/endpointslices');
});

test('asks for the Node of this name alone, and for all ServiceCIDRs', async (t) => {
  const resources = watchedResources('node-1');
  t.deepEqual(
    resources.map(({ kind }) => kind),
    ['Service', 'EndpointSlice', 'Node', 'ServiceCIDR'],
  );
  const [node, serviceCidrs] = await Promise.all(
    resources.slice(2).map((resource) => setup(t, [], { resource })),
  );
  t.deepEqual(await nthQuery(t, node as Setup, 1), {
    fieldSelector: 'metadata.name=node-1',
    limit: '100',
  });
  t.is(node?.requests[0]?.path, '/api/v1/nodes');
  t.deepEqual(await nthQuery(t, serviceCidrs as Setup, 1), { limit: '100' });
  t.is(serviceCidrs?.requests[0]?.path, '/apis/networking.k8s.io/v1/servicecidrs');
});

test('a list in pages, then a watch from where the list was', async (t) => {
  const it = await setup(t, [
    page([service('a'), service('b')], { resourceVersion: '7', continue: 'next' }),
    page([service('c')], { resourceVersion: '7' }),
    watch([event('ADDED', service('d', '8'))], 'open'),
  ]);
  await eventually(t, 'the event', () => names(it.state) === 'abcd');
  t.is((await nthQuery(t, it, 2)).continue, 'next');
  t.like(await nthQuery(t, it, 3), {
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: '7',
    timeoutSeconds: '300',
    fieldSelector: 'spec.clusterIP!=None',
  });
  t.like(it.reflector.state, { kind: 'Service', phase: 'watching', relists: 0 });
  t.true((it.reflector.state.lastContact as Date) instanceof Date);
  t.deepEqual(it.pauses, []);
});

test('an empty list is null in Go, and still a list', async (t) => {
  const it = await setup(t, [page(null as never, { resourceVersion: '7' })]);
  await nthQuery(t, it, 2);
  t.is(it.reflector.state.lastError, undefined);
});

test('nothing is in sync before the last page', async (t) => {
  const it = await setup(t, [page([service('a')], { resourceVersion: '7', continue: 'next' })]);
  const listed: string[] = [];
  it.state.listed = (kind) => listed.push(kind);
  await nthQuery(t, it, 2);
  t.is(names(it.state), 'a');
  t.deepEqual(listed, []);
  t.is(it.reflector.state.phase, 'listing');
});

test('ADDED, MODIFIED and DELETED', async (t) => {
  const it = await setup(t, [
    page([service('a')], { resourceVersion: '1' }),
    watch(
      [
        event('ADDED', service('b', '2')) + event('MODIFIED', service('a', '3', '10.96.0.9')),
        event('DELETED', service('b', '4')),
        event('ADDED', service('c', '5')),
      ],
      'open',
    ),
  ]);
  await eventually(t, 'the last event', () => names(it.state) === 'ac');
  t.is(it.state.service('default/a')?.clusterIPs[0], '10.96.0.9' as never);
});

test('an event may come in any pieces, cut inside a character too', async (t) => {
  const line = event('ADDED', {
    metadata: { name: 'b', annotations: { note: '€😀é' }, resourceVersion: '2' },
    spec: { clusterIP: '10.96.0.2', ports: [{ port: 80, name: '😀' }] },
  });
  const bytes = Array.from(Buffer.from(line), (byte) => Buffer.from([byte]));
  const it = await setup(t, [page([], { resourceVersion: '1' }), watch(bytes, 'open')]);
  // The one text of the object that comes out as it went in: what a refusal quotes.
  const [refused] = await eventually(t, 'the event', () => it.state.skipped[0] && it.state.skipped);
  t.regex(refused?.reason ?? '', /"😀"/u);
});

const resumes = test.macro({
  async exec(t, first: Step, from: string, pauses: number[]) {
    const it = await setup(t, [
      page([service('a')], { resourceVersion: '1' }),
      first,
      watch([event('ADDED', service('d', '9'))], 'open'),
    ]);
    await eventually(t, 'the event after it', () => names(it.state).includes('d'));
    t.is((await nthQuery(t, it, 3)).resourceVersion, from);
    t.true(names(it.state).includes('a'));
    t.is(it.reflector.state.relists, 0);
    t.deepEqual(it.pauses, pauses);
  },
  title: (what) => `a watch is resumed where it was, without a list: ${what}`,
});
const added = event('ADDED', service('b', '2'));
test("after the server's time-out, at once", resumes, watch([added], 'ended'), '2', []);
test('after a time-out without any event', resumes, watch([], 'ended'), '1', []);
test('a bookmark moves it on', resumes, watch([added, bookmark('5')], 'ended'), '5', []);
test('after a cut', resumes, watch([added], 'cut'), '2', [100]);
test(
  'after a cut in the middle of a line',
  resumes,
  watch([added, added.slice(0, 40)], 'cut'),
  '2',
  [100],
);
test('after an answer of 500', resumes, refusal(500, 'etcd is away'), '1', [100]);
test(
  'a deletion moves it on',
  resumes,
  watch([event('DELETED', service('b', '3'))], 'ended'),
  '3',
  [],
);

const failing = test.macro({
  async exec(t, steps: readonly Step[], last: Step) {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const it = await setup(t, [
      ...steps,
      async (response, request) => {
        await held;
        last(response, request);
      },
      watch([], 'open'),
    ]);
    await nthQuery(t, it, steps.length + 1);
    t.is(it.reflector.state.phase, 'waiting');
    release();
    await eventually(t, 'it watches', () => it.reflector.state.phase === 'watching');
  },
  title: (what) => `after a failure it says so until the server answers: ${what}`,
});
const listed = page([service('a')], { resourceVersion: '1' });
test('of a list', failing, [refusal(500, 'etcd is away')], listed);
test('of a watch', failing, [listed, watch([added], 'cut')], watch([], 'open'));

const relists = test.macro({
  async exec(t, failing: Step) {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const it = await setup(t, [
      page([service('a'), service('b')], { resourceVersion: '1' }),
      failing,
      async (response, request) => {
        await held;
        page([service('b'), service('c')], { resourceVersion: '9' })(response, request);
      },
      watch([bookmark('10')], 'open'),
    ]);
    t.is((await nthQuery(t, it, 3)).limit, '100');
    t.is(names(it.state), 'ab', 'nothing is cleared before the new list');
    t.is(it.reflector.state.phase, 'listing');
    release();
    t.is((await nthQuery(t, it, 4)).resourceVersion, '9');
    t.is(names(it.state), 'bc', 'a deletion that only the list shows');
    t.is(it.reflector.state.relists, 1);
    t.is(it.pauses.length, 1);
  },
  title: (what) => `a new list is needed, and is taken as a difference: ${what}`,
});
const expired = (code: number) => event('ERROR', { kind: 'Status', code, message: 'too old' });
test('410 as an event', relists, watch([expired(410)], 'ended'));
test('410 as a status', relists, refusal(410, 'too old resource version'));
test('another error event', relists, watch([expired(500)], 'ended'));
test('an event that is not JSON', relists, watch(['{"type":"ADDED",\n'], 'open'));
test('an event without an object', relists, watch(['{"type":"ADDED"}\n'], 'open'));
test('an event of an unknown type', relists, watch([event('PATCHED', service('a'))], 'open'));

test('after a new list, an object that is the same is not dirty', async (t) => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const it = await setup(t, [
    page([service('a'), service('b')], { resourceVersion: '1' }),
    watch([expired(410)], 'ended'),
    async (response, request) => {
      await held;
      page([service('a'), service('b', '5', '10.96.0.5')], { resourceVersion: '9' })(
        response,
        request,
      );
    },
  ]);
  await nthQuery(t, it, 3);
  it.state.takeDirty();
  release();
  await nthQuery(t, it, 4);
  t.deepEqual([...it.state.takeDirty()], ['default/b']);
});

test('a list whose pages expire starts again, and what it had brought is not lost', async (t) => {
  const it = await setup(t, [
    page([service('a')], { resourceVersion: '1', continue: 'next' }),
    refusal(410, 'the continue token is too old'),
    page([service('b')], { resourceVersion: '2', continue: 'next' }),
    page([service('c')], { resourceVersion: '2' }),
  ]);
  await nthQuery(t, it, 5);
  const queries = it.requests.map(({ query }) => query.continue);
  t.deepEqual(queries, [undefined, 'next', undefined, 'next', undefined]);
  t.is(names(it.state), 'bc');
});

test('failures are waited for longer and longer, and shown; a success starts again', async (t) => {
  const it = await setup(t, [
    refusal(500, 'etcd is away'),
    refusal(403, 'services is forbidden: User "x" cannot list resource "services"'),
    (response) => response.socket?.destroy(),
    page([service('a')], { resourceVersion: '1' }),
    refusal(500, 'etcd is away'),
    watch([bookmark('2')], 'cut'),
  ]);
  const second = await eventually(t, 'two failures', () => it.requests.length > 2 && it.lines[1]);
  t.regex(
    String(second.error),
    /^GET http:.*\/api\/v1\/services: 403 Forbidden: services is forbid/,
  );
  await nthQuery(t, it, 7);
  t.deepEqual(it.pauses, [100, 200, 400, 800, 100]);
  t.is(it.reflector.state.phase, 'waiting', 'until the server answers');
  t.truthy(it.reflector.state.lastError);
  t.true(it.reflector.state.lastErrorAt instanceof Date);
});

test('while it waits after a failure, the state says so', async (t) => {
  const it = await setup(t, [refusal(500, 'etcd is away')]);
  const seen: string[] = [];
  it.pauses.push = () => seen.push(it.reflector.state.phase);
  await nthQuery(t, it, 2);
  t.deepEqual(seen, ['waiting']);
});

test('429: the server is left alone for as long as it asks', async (t) => {
  const it = await setup(t, [refusal(429, 'too many requests', { 'Retry-After': '17' })]);
  await nthQuery(t, it, 2);
  t.deepEqual(it.pauses, [17_000]);
});

test('watches that end as soon as they begin are failures: no hot loop', async (t) => {
  const it = await setup(
    t,
    [page([], { resourceVersion: '1' }), watch([], 'ended'), watch([], 'ended')],
    { shortWatchMs: 60_000, steadyMs: 120_000 },
  );
  await nthQuery(t, it, 4);
  t.deepEqual(it.pauses, [100, 200]);
  t.regex(it.reflector.state.lastError ?? '', /ended at once/);
});

test('an answer that is no list is a failure', async (t) => {
  const it = await setup(t, [
    (response) => response.end('<html>log in</html>'),
    (response) => response.end('{"kind":"Status"}'),
    page([], { resourceVersion: '1' }),
  ]);
  await nthQuery(t, it, 4);
  t.deepEqual(it.pauses, [100, 200]);
  t.regex(it.reflector.state.lastError ?? '', /not a Kubernetes list/);
});

test('a watch that stays silent is given up', async (t) => {
  // 300 s of watch, less all but a little of it.
  const it = await setup(t, [page([], { resourceVersion: '7' }), watch([], 'open')], {
    graceMs: -300_000 + 50,
  });
  t.is((await nthQuery(t, it, 3)).resourceVersion, '7');
  t.regex(it.reflector.state.lastError ?? '', /services: nothing came for 0.05 s/);
});

test('an object without a name costs only itself', async (t) => {
  const it = await setup(t, [
    page([{ metadata: {} }, null, service('a')], { resourceVersion: '1' }),
    watch([event('ADDED', {}), event('DELETED', {}), event('ADDED', service('b', '2'))], 'open'),
  ]);
  await eventually(t, 'the last event', () => names(it.state) === 'ab');
  t.is(it.lines.filter(({ msg }) => msg === 'object without a usable name left out').length, 3);
});

test('an object that makes no sense is reported, and goes with its object', async (t) => {
  const it = await setup(t, [
    page([service('a', '1', 'x'), service('b')], { resourceVersion: '1' }),
    watch([event('DELETED', service('a', '2'))], 'open'),
  ]);
  await nthQuery(t, it, 2);
  await eventually(t, 'the deletion', () => it.state.skipped.length === 0);
  t.is(names(it.state), 'b');
});

test('the signal ends a watch at once, and its connection', async (t) => {
  const it = await setup(t, [
    page([], { resourceVersion: '1' }),
    watch([event('ADDED', service('a', '2'))], 'open'),
  ]);
  await eventually(t, 'the event', () => names(it.state) === 'a');
  await it.stop();
  await eventually(t, 'no connection is left', () => it.connections.size === 0);
  t.deepEqual(it.pauses, []);
  t.is(it.reflector.state.lastError, undefined);
});

test('the signal ends a list that is not answered', async (t) => {
  const it = await setup(t, []);
  await nthQuery(t, it, 1);
  await it.stop();
  t.is(it.requests.length, 1);
});

const NODE = watchedResources('node-1')[2] as WatchedResource;
const nodeObject = (name: string, resourceVersion: string, zone: string) => ({
  metadata: { name, resourceVersion, labels: { 'topology.kubernetes.io/zone': zone } },
});

test("the node's own Node, and no other that a server may send all the same", async (t) => {
  const it = await setup(
    t,
    [
      page([nodeObject('node-2', '1', 'b'), nodeObject('node-1', '1', 'a')], {
        resourceVersion: '1',
      }),
      watch(
        [
          event('MODIFIED', nodeObject('node-2', '2', 'c')),
          event('DELETED', nodeObject('node-2', '3', 'c')),
          event('MODIFIED', nodeObject('node-1', '4', 'd')),
        ],
        'open',
      ),
    ],
    { resource: NODE },
  );
  await eventually(t, 'the last event', () => it.state.node?.zone === 'd');
  t.is(it.state.node?.name, 'node-1');
  t.deepEqual(it.state.skipped, []);
});

test('a Node that is deleted is gone', async (t) => {
  const it = await setup(
    t,
    [
      page([nodeObject('node-1', '1', 'a')], { resourceVersion: '1' }),
      watch([event('DELETED', nodeObject('node-1', '2', 'a'))], 'open'),
    ],
    { resource: NODE },
  );
  await eventually(t, 'the deletion', () => it.state.isKnown('Node') && !it.state.node);
});

const range = (name: string, cidr: string, resourceVersion = '1') => ({
  metadata: { name, resourceVersion },
  spec: { cidrs: [cidr] },
});

const unavailable = test.macro({
  async exec(t, answer: Step, reason: RegExp) {
    const it = await setup(
      t,
      [
        answer,
        answer,
        page([range('kubernetes', '10.96.0.0/16')], { resourceVersion: '1' }),
        watch([event('ADDED', range('more', 'fd00::/108', '2'))], 'open'),
      ],
      { resource: SERVICE_CIDRS },
    );
    const listed: unknown[] = [];
    const { listed: original, unavailable } = it.state;
    it.state.listed = (...call) => {
      listed.push([call[0], [...call[1]], it.reflector.state.phase]);
      original.apply(it.state, call);
    };
    it.state.unavailable = (kind) => {
      listed.push(['unavailable', kind]);
      unavailable.call(it.state, kind);
    };
    const phases: unknown[] = [];
    it.pauses.push = (ms) => phases.push([it.reflector.state.phase, ms]);
    await eventually(t, 'the kind is there in the end', () => it.state.serviceCidrs.length === 2);
    t.deepEqual(phases, [
      ['unavailable', 1000],
      ['unavailable', 2000],
    ]);
    t.deepEqual(listed, [
      ['unavailable', 'ServiceCIDR'],
      ['ServiceCIDR', ['kubernetes'], 'listing'],
    ]);
    t.like(it.reflector.state, { phase: 'watching', relists: 0 });
    t.regex(it.reflector.state.lastError ?? '', reason);
    t.true(it.reflector.state.lastErrorAt instanceof Date);
    const said = it.lines.filter(({ msg }) => msg === 'not available');
    t.is(said.length, 1, 'said once');
    t.is(it.lines.filter(({ msg }) => msg === 'watch failed').length, 0);
  },
  title: (what) => `an optional kind that the server does not have: ${what}`,
});
test(
  'a cluster before 1.33',
  unavailable,
  refusal(404, 'the server could not find the requested resource'),
  /servicecidrs: 404 .*could not find/,
);
test(
  'a role that does not show it',
  unavailable,
  refusal(403, 'servicecidrs is forbidden'),
  /servicecidrs: 403 .*forbidden/,
);

test('an optional kind that is refused later keeps what there was, and is listed each time', async (t) => {
  const it = await setup(
    t,
    [
      page([range('kubernetes', '10.96.0.0/16')], { resourceVersion: '1' }),
      refusal(403, 'servicecidrs is forbidden: cannot watch'),
      refusal(403, 'servicecidrs is forbidden: cannot list'),
      page([range('more', '10.97.0.0/16')], { resourceVersion: '2' }),
    ],
    { resource: SERVICE_CIDRS },
  );
  await nthQuery(t, it, 3);
  t.deepEqual(
    it.state.serviceCidrs.map(({ name }) => name),
    ['kubernetes'],
  );
  await nthQuery(t, it, 5);
  t.deepEqual(
    it.state.serviceCidrs.map(({ name }) => name),
    ['more'],
  );
  t.deepEqual(it.pauses, [1000, 2000]);
  t.is(it.reflector.state.relists, 1);
});

test('other failures of an optional kind are failures like any other', async (t) => {
  const it = await setup(t, [refusal(500, 'etcd is away'), refusal(401, 'who are you?')], {
    resource: SERVICE_CIDRS,
  });
  const phases: unknown[] = [];
  it.pauses.push = (ms) => phases.push([it.reflector.state.phase, ms]);
  await nthQuery(t, it, 3);
  t.deepEqual(phases, [
    ['waiting', 100],
    ['waiting', 200],
  ]);
});

test('a kind that is not optional is waited for, also when the server does not know it', async (t) => {
  const it = await setup(t, [refusal(404, 'not found'), refusal(404, 'not found')], {
    resource: ENDPOINT_SLICES,
  });
  const listed: string[] = [];
  it.state.listed = (kind) => listed.push(kind);
  await nthQuery(t, it, 3);
  t.deepEqual(it.pauses, [100, 200]);
  t.deepEqual(listed, []);
});
