// SPDX-License-Identifier: Apache-2.0
// The manifest source on real folders: what is delivered, what stays in force, what is reported.

import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createManifestFolder } from '../../../agent/cluster/manifest-folder.ts';
import { createManifestSource } from '../../../agent/cluster/manifest-source.ts';
import type { ObjectSource } from '../../../agent/cluster/object-source.ts';
import { EnvironmentError } from '../../../agent/errors.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { eventually } from './eventually.ts';
import { type RecordedLog, recordLog } from './recorded-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

interface Setup extends RecordedLog {
  readonly dir: string;
  readonly state: ClusterState;
  readonly source: ObjectSource;
  readonly stop: () => void;
  /** Writes a manifest. */
  readonly save: (name: string, text: string) => void;
}

async function setup(
  t: ExecutionContext,
  { files = {}, rescanMs = 60_000 }: { files?: Record<string, string>; rescanMs?: number } = {},
): Promise<Setup> {
  const dir = join(temporaryFolder(t), 'manifests');
  mkdirSync(dir);
  const save = (name: string, text: string) => writeFileSync(join(dir, name), text);
  for (const [name, text] of Object.entries(files)) save(name, text);
  const recorded = recordLog();
  const source = createManifestSource({ dir, nodeName: 'node-1', log: recorded.log, rescanMs });
  const state = new ClusterState();
  const controller = new AbortController();
  const stop = () => controller.abort();
  t.teardown(stop);
  source.start(state, controller.signal);
  await eventually(t, 'the first complete reading', () => state.settled);
  return { ...recorded, dir, state, source, stop, save };
}

function service(name: string, clusterIP: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  clusterIP: ${clusterIP}
  ports: [{ port: 80 }]
`;
}

const SLICE = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: quiz-1
  labels: { kubernetes.io/service-name: quiz }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: [10.244.0.5] }]
`;

const clusterIP = (state: ClusterState, name: string) =>
  state.service(`default/${name}`)?.clusterIPs[0];

test('a folder that does not exist is an error that says what to do', (t) => {
  const dir = join(temporaryFolder(t), 'nowhere');
  const error = t.throws(
    () => createManifestSource({ dir, nodeName: 'node-1', log: recordLog().log }),
    {
      instanceOf: EnvironmentError,
    },
  );
  t.true(error?.message.includes(dir));
  t.truthy(error?.hint);
});

test('an empty folder is in sync', async (t) => {
  const { state, source } = await setup(t);
  t.is(state.serviceCount, 0);
  t.like(source.watches[0], { kind: 'Manifest', phase: 'watching' });
});

test('YAML of several documents, JSON, Lists; other kinds and other files are ignored', async (t) => {
  const { state } = await setup(t, {
    files: {
      'a.yaml': `${service('quiz', '10.96.0.1')}---\n---\n${SLICE}`,
      'b.json': JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [
          {
            apiVersion: 'v1',
            kind: 'Service',
            metadata: { name: 'quote', namespace: 'kiada' },
            spec: { clusterIP: '10.96.0.2', ports: [{ port: 80 }] },
          },
          { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
        ],
      }),
      'c.yml': 'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: other }\n',
      'd.txt': 'not: [yaml',
      '.e.yaml.swp': 'not: [yaml',
      '.f.yaml': 'not: [yaml',
    },
  });
  t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
  t.truthy(state.service('kiada/quote'));
  t.is(state.serviceCount, 2);
  t.deepEqual(state.skipped, []);
  // An unnamed port is named '' by the API server; a manifest must join its Service all the same.
  t.deepEqual(state.endpointSlices('default/quiz')[0]?.ports, [
    { name: '', protocol: 'TCP', port: 8080 },
  ]);
});

const SERVICE_CIDR = `apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: { name: kubernetes }
spec: { cidrs: [10.96.0.0/16] }
`;

function node(name: string, zone: string): string {
  return `apiVersion: v1
kind: Node
metadata:
  name: ${name}
  labels: { topology.kubernetes.io/zone: ${zone} }
`;
}

test('ServiceCIDRs, and of the Nodes only our own: others may be wrong, or there twice', async (t) => {
  const { state, save, dir } = await setup(t, {
    files: {
      'a.yaml': `${node('node-2', 'zone-b')}---\n${node('node-1', 'zone-a')}---\n${SERVICE_CIDR}`,
      'b.yaml': `${node('node-2', 'zone-c')}---\n${node('node-3', '{}')}`,
    },
  });
  t.is(state.node?.name, 'node-1');
  t.is(state.node?.zone, 'zone-a');
  t.deepEqual(state.serviceCidrs, [{ name: 'kubernetes', cidrs: ['10.96.0.0/16'] }] as never);
  t.deepEqual(state.skipped, []);
  save('a.yaml', node('node-1', 'zone-d'));
  await eventually(t, 'a changed Node', () => state.node?.zone === 'zone-d');
  t.deepEqual(state.serviceCidrs, []);
  save('b.yaml', node('node-1', 'zone-e'));
  const [skipped] = await eventually(t, 'the report', () => state.skipped[0] && state.skipped);
  t.is(skipped?.reason, `Node node-1 left out: ${join(dir, 'a.yaml')} has it already`);
  unlinkSync(join(dir, 'a.yaml'));
  await eventually(t, 'the second file takes over', () => state.node?.zone === 'zone-e');
  unlinkSync(join(dir, 'b.yaml'));
  await eventually(t, 'a deleted Node', () => state.node === undefined);
});

test('lists as the API server writes them: their items do not say what they are', async (t) => {
  const list = (kind: string, apiVersion: string, items: unknown) =>
    JSON.stringify({ kind, apiVersion, metadata: { resourceVersion: '7' }, items });
  const metadata = { name: 'quiz', namespace: 'kiada' };
  const labels = { 'kubernetes.io/service-name': 'quiz' };
  const { state, dir } = await setup(t, {
    files: {
      'services.json': list('ServiceList', 'v1', [
        { metadata, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } },
        'x',
      ]),
      'slices.json': list('EndpointSliceList', 'discovery.k8s.io/v1', [
        {
          metadata: { ...metadata, labels },
          addressType: 'IPv4',
          ports: [{ port: 8080 }],
          endpoints: [{ addresses: ['10.244.0.5'] }],
        },
      ]),
      'nodes.json': list('NodeList', 'v1', [
        { metadata: { name: 'node-2' } },
        { metadata: { name: 'node-1' } },
      ]),
      'ranges.json': list('ServiceCIDRList', 'networking.k8s.io/v1', [
        { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/16'] } },
      ]),
      'none.json': list('ServiceList', 'v1', null),
      'others.json': list('ServiceList', 'serving.knative.dev/v1', [{ metadata }, 'x']),
      'more.json': list('PodList', 'v1', [{ metadata }, 'x']),
    },
  });
  t.truthy(state.service('kiada/quiz'));
  t.deepEqual(state.endpointSlices('kiada/quiz')[0]?.ports, [
    { name: '', protocol: 'TCP', port: 8080 },
  ]);
  t.is(state.node?.name, 'node-1');
  t.is(state.serviceCidrs.length, 1);
  t.is(state.serviceCount, 1);
  t.deepEqual(state.skipped, [
    {
      kind: 'Manifest',
      key: join(dir, 'services.json'),
      reason: 'an item of a List is not an object',
    },
  ]);
});

test('files that come, change and go', async (t) => {
  const { state, save, dir } = await setup(t);
  save('a.yaml', service('quiz', '10.96.0.1'));
  await eventually(t, 'a new file', () => clusterIP(state, 'quiz') === '10.96.0.1');
  save('a.yaml', service('quiz', '10.96.0.9'));
  await eventually(t, 'a changed file', () => clusterIP(state, 'quiz') === '10.96.0.9');
  unlinkSync(join(dir, 'a.yaml'));
  await eventually(t, 'a deleted file', () => state.serviceCount === 0);
});

test('only what changed is dirty', async (t) => {
  const { state, save } = await setup(t, {
    files: {
      'a.yaml': `${service('quiz', '10.96.0.1')}---\n${service('quote', '10.96.0.2')}`,
      'b.yaml': service('kiada', '10.96.0.3'),
    },
  });
  state.takeDirty();
  save('a.yaml', `${service('quiz', '10.96.0.7')}---\n${service('quote', '10.96.0.2')}`);
  await eventually(t, 'a changed file', () => clusterIP(state, 'quiz') === '10.96.0.7');
  t.deepEqual([...state.takeDirty()], ['default/quiz']);
});

test('a save by rename, as editors do it', async (t) => {
  const { state, save, dir } = await setup(t, {
    files: { 'a.yaml': service('quiz', '10.96.0.1') },
  });
  save('.a.yaml.tmp', service('quiz', '10.96.0.9'));
  renameSync(join(dir, '.a.yaml.tmp'), join(dir, 'a.yaml'));
  await eventually(t, 'the renamed file', () => clusterIP(state, 'quiz') === '10.96.0.9');
});

test('a mounted ConfigMap: files are links through ..data, which is swapped', async (t) => {
  const { state, dir } = await setup(t);
  mkdirSync(join(dir, '..1'));
  writeFileSync(join(dir, '..1', 'a.yaml'), service('quiz', '10.96.0.1'));
  symlinkSync('..1', join(dir, '..data'));
  symlinkSync('..data/a.yaml', join(dir, 'a.yaml'));
  await eventually(t, 'the first content', () => clusterIP(state, 'quiz') === '10.96.0.1');
  mkdirSync(join(dir, '..2'));
  writeFileSync(join(dir, '..2', 'a.yaml'), service('quiz', '10.96.0.9'));
  symlinkSync('..2', join(dir, '..data_tmp'));
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
  await eventually(t, 'the swapped content', () => clusterIP(state, 'quiz') === '10.96.0.9');
});

test('a change that no notification tells of is found by looking', async (t) => {
  const { state, dir } = await setup(t, { rescanMs: 50 });
  const elsewhere = join(temporaryFolder(t), 'a.yaml');
  writeFileSync(elsewhere, service('quiz', '10.96.0.1'));
  symlinkSync(elsewhere, join(dir, 'a.yaml'));
  await eventually(t, 'the link', () => clusterIP(state, 'quiz') === '10.96.0.1');
  writeFileSync(elsewhere, service('quiz', '10.96.0.9'));
  await eventually(t, 'the change behind the link', () => clusterIP(state, 'quiz') === '10.96.0.9');
});

const broken = test.macro({
  async exec(t, text: string, reason: RegExp) {
    const { state, save, dir, lines } = await setup(t, {
      files: { 'a.yaml': service('quiz', '10.96.0.1'), 'b.yaml': service('quote', '10.96.0.2') },
    });
    save('a.yaml', text);
    const [skipped] = await eventually(
      t,
      'the broken file is reported',
      () => state.skipped.length > 0 && state.skipped,
    );
    t.is(skipped?.kind, 'Manifest');
    t.is(skipped?.key, join(dir, 'a.yaml'));
    t.regex(skipped?.reason ?? '', reason);
    t.true(lines.some((line) => line.path === skipped?.key && line.reason === skipped?.reason));
    t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
    save('b.yaml', service('quote', '10.96.0.8'));
    await eventually(t, 'other files go on', () => clusterIP(state, 'quote') === '10.96.0.8');
    t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
    save('a.yaml', service('quiz', '10.96.0.9'));
    await eventually(t, 'the mended file', () => clusterIP(state, 'quiz') === '10.96.0.9');
    t.deepEqual(state.skipped, []);
  },
  title: (what) => `a broken file keeps its last good objects and is reported: ${what}`,
});
test('a syntax error', broken, 'kind: Service\nspec: [1,\n', /line 3, column 1/);
test('an alias that leads nowhere', broken, 'kind: *x\n', /alias/);
test('half a file', broken, 'apiVersi', /document 1 is not a Kubernetes object/);
test('an object without a kind', broken, 'apiVersion: v1\n', /document 1 .* has no kind/);

test('a syntax error in JSON has a line and a column too', async (t) => {
  const { state } = await setup(t, { files: { 'a.json': '{"kind": "Service",\n "spec": ]}' } });
  t.regex(state.skipped[0]?.reason ?? '', /line 2, column \d+/);
});

test('an object that contains itself is reported, and nothing hangs', async (t) => {
  const text = 'apiVersion: v1\nkind: Service\nmetadata: &m { name: quiz, labels: [*m] }\n';
  const { state } = await setup(t, { files: { 'a.yaml': text } });
  t.regex(state.skipped[0]?.reason ?? '', /^an alias stands within what it stands for/);
});

test('an object without a name costs only itself', async (t) => {
  const nameless = 'apiVersion: v1\nkind: Service\nmetadata: {}\n';
  const { state, dir } = await setup(t, {
    files: { 'a.yaml': `${nameless}---\n${service('quiz', '10.96.0.1')}` },
  });
  t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
  t.deepEqual(state.skipped, [
    {
      kind: 'Manifest',
      key: join(dir, 'a.yaml'),
      reason: 'Service left out: metadata.name: is missing, must be a text',
    },
  ]);
});

test('an object of another version is reported, one of another group is none of ours', async (t) => {
  const object = (kind: string, apiVersion?: string) => ({
    ...(apiVersion && { apiVersion }),
    kind,
    metadata: { name: 'quiz' },
  });
  const items = [
    object('EndpointSlice', 'discovery.k8s.io/v1beta1'),
    object('Service'),
    object('Service', 'serving.knative.dev/v1'),
    { apiVersion: 'v1', metadata: { name: 'quote' } },
  ];
  const { state } = await setup(t, {
    files: { 'a.json': JSON.stringify({ kind: 'List', items }) },
  });
  t.deepEqual(
    state.skipped.map(({ reason }) => reason.split('; ')),
    [
      [
        'EndpointSlice default/quiz left out: apiVersion: "discovery.k8s.io/v1beta1" is not discovery.k8s.io/v1',
        'Service default/quiz left out: apiVersion: is missing, must be v1',
        'an item of a List has no kind',
      ],
    ],
  );
});

test('an invalid object keeps its last good form and is reported under its own name', async (t) => {
  const { state, save } = await setup(t, {
    files: { 'a.yaml': `${service('quiz', '10.96.0.1')}---\n${service('quote', '10.96.0.2')}` },
  });
  save('a.yaml', `${service('quiz', '10.96.0')}---\n${service('quote', '10.96.0.8')}`);
  await eventually(t, 'the other object', () => clusterIP(state, 'quote') === '10.96.0.8');
  t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
  t.deepEqual(state.skipped, [
    {
      kind: 'Service',
      key: 'default/quiz',
      reason: 'spec.clusterIP: "10.96.0" is not an IP address',
    },
  ]);
});

test('one object in two files: the first file name wins, the other is reported, and takes over', async (t) => {
  const { state, dir } = await setup(t, {
    files: { 'b.yaml': service('quiz', '10.96.0.2'), 'a.yaml': service('quiz', '10.96.0.1') },
  });
  t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
  t.deepEqual(state.skipped, [
    {
      kind: 'Manifest',
      key: join(dir, 'b.yaml'),
      reason: `Service default/quiz left out: ${join(dir, 'a.yaml')} has it already`,
    },
  ]);
  unlinkSync(join(dir, 'a.yaml'));
  await eventually(t, 'the second file takes over', () => clusterIP(state, 'quiz') === '10.96.0.2');
  t.deepEqual(state.skipped, []);
});

test('a folder that is removed keeps its last content in force, and is followed when it is back', async (t) => {
  const { state, source, dir, save } = await setup(t, {
    files: { 'a.yaml': service('quiz', '10.96.0.1') },
  });
  renameSync(dir, `${dir}-away`);
  await eventually(t, 'the loss is noticed', () => source.watches[0]?.phase === 'waiting');
  t.is(state.skipped[0]?.key, dir);
  t.regex(source.watches[0]?.lastError ?? '', /ENOENT.*stays in force/);
  t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
  mkdirSync(dir);
  save('b.yaml', service('quote', '10.96.0.2'));
  await eventually(t, 'the new folder', () => clusterIP(state, 'quote') === '10.96.0.2');
  t.is(state.serviceCount, 1);
  t.deepEqual(state.skipped, []);
  t.is(source.watches[0]?.phase, 'watching');
  save('b.yaml', service('quote', '10.96.0.3'));
  await eventually(
    t,
    'a notification of the new folder',
    () => clusterIP(state, 'quote') === '10.96.0.3',
  );
});

test('two writes of one size within one tick of the clock are both seen', async (t) => {
  const dir = temporaryFolder(t);
  const folder = createManifestFolder(dir);
  const seen: unknown[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    writeFileSync(join(dir, 'a.yaml'), service(name, '10.96.0.1'));
    const [file] = await folder.read();
    seen.push(file?.objects[0]?.key);
  }
  t.deepEqual(seen, ['default/a', 'default/b', 'default/c', 'default/d']);
});

test('nothing is delivered when the signal comes during the first reading', async (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, 'a.yaml'), service('quiz', '10.96.0.1'));
  const stopped = new ClusterState();
  const going = new ClusterState();
  const controllers = [new AbortController(), new AbortController()] as const;
  t.teardown(() => controllers[1].abort());
  createManifestSource({ dir, nodeName: 'node-1', log: recordLog().log }).start(
    stopped,
    controllers[0].signal,
  );
  controllers[0].abort();
  createManifestSource({ dir, nodeName: 'node-1', log: recordLog().log }).start(
    going,
    controllers[1].signal,
  );
  await eventually(t, 'a source that was not stopped', () => going.synced);
  t.is(stopped.serviceCount, 0);
  t.false(stopped.synced);
});

test('a file that is a folder, or a link to nothing, is no manifest', async (t) => {
  const { state, dir, save } = await setup(t);
  mkdirSync(join(dir, 'a.yaml'));
  symlinkSync('nowhere', join(dir, 'b.yaml'));
  save('c.yaml', service('quiz', '10.96.0.1'));
  await eventually(t, 'the file beside them', () => state.serviceCount === 1);
  t.deepEqual(state.skipped, []);
});

test('nothing is delivered after the signal', async (t) => {
  const { state, source, save, stop, dir } = await setup(t, { rescanMs: 10 });
  stop();
  save('a.yaml', service('quiz', '10.96.0.1'));
  const before = source.watches[0]?.lastContact;
  // A second source on the same folder shows that there was something to deliver, and time for it.
  const second = new ClusterState();
  const controller = new AbortController();
  createManifestSource({ dir, nodeName: 'node-1', log: recordLog().log }).start(
    second,
    controller.signal,
  );
  await eventually(t, 'the second source', () => second.serviceCount === 1);
  controller.abort();
  t.is(state.serviceCount, 0);
  t.is(source.watches[0]?.lastContact, before);
});

test('a file that cannot be read is reported, and keeps what it had', async (t) => {
  const { state, dir } = await setup(t, { files: { 'a.yaml': service('quiz', '10.96.0.1') } });
  symlinkSync('a.yaml', join(dir, '.loop'));
  renameSync(join(dir, '.loop'), join(dir, 'a.yaml'));
  await eventually(t, 'the report', () => state.skipped.length === 1);
  t.regex(state.skipped[0]?.reason ?? '', /ELOOP/);
  t.is(clusterIP(state, 'quiz'), '10.96.0.1' as never);
});
