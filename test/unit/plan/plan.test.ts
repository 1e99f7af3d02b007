// SPDX-License-Identifier: Apache-2.0
// From what is in the tables to what is to be there: which steps, in which order.

import test from 'ava';
import { formatEndpoint } from '../../../agent/model/address.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import type { ResolvedFrontend } from '../../../agent/model/resolve.ts';
import {
  type Backend,
  backendSetKey,
  frontendKey,
  servicePortKey,
} from '../../../agent/model/service-port.ts';
import { ActualTables } from '../../../agent/plan/actual-tables.ts';
import { plan, type Steps, stepCount } from '../../../agent/plan/plan.ts';
import { SlotAllocator } from '../../../agent/plan/slot-allocator.ts';
import { apply } from '../../../agent/reconcile/apply.ts';
import type { SlotRun } from '../../../agent/sys/layout.gen.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { backend, frontend, resolved } from '../../helpers/objects.ts';

type Wanted = Record<ObjectKey, readonly ResolvedFrontend[]>;

const QUOTE = 'default/quote';
const QUIZ = 'default/quiz';
const http = (...backends: string[]) => resolved(QUOTE, 'http', '10.96.0.1:80/TCP', backends);
const dns = (...backends: string[]) => resolved(QUOTE, 'dns', '10.96.0.1:53/UDP', backends);

/** @param before what is in the tables already, put there by plans of their own, one after another. */
const plans = test.macro(async (t, before: Wanted[], wanted: Wanted, expected: string[]) => {
  const actual = new ActualTables();
  const slots = new SlotAllocator(64);
  const tables = new FakeTables({ slots: 64 });
  for (const earlier of before) {
    const steps = plan(asMap(earlier), actual, slots);
    t.deepEqual(await apply(steps, slots.capacity, tables, actual), []);
  }
  const made = plan(asMap(wanted), actual, slots);
  t.deepEqual(texts(made.steps), expected);
  t.is(stepCount(made.steps), expected.length);
  t.deepEqual(await apply(made, slots.capacity, tables, actual), []);
  t.is(stepCount(plan(asMap(wanted), actual, slots).steps), 0);
});

test(
  'a new Service: named, then its slots, then published',
  plans,
  [],
  { [QUOTE]: [http('10.1.0.1:8080', '10.1.0.2:8080')] },
  [
    'name 1 default/quote:http/TCP',
    'write 0+2 10.1.0.1:8080 10.1.0.2:8080',
    'publish 10.96.0.1:80/TCP 1 0+2',
  ],
);
test('without backends: published with no slots', plans, [], { [QUOTE]: [http()] }, [
  'name 1 default/quote:http/TCP',
  'publish 10.96.0.1:80/TCP 1 0+0',
]);
test(
  'UDP: its backends are members before it is published',
  plans,
  [],
  { [QUOTE]: [dns('10.1.0.1:53')] },
  [
    'name 1 default/quote:dns/UDP',
    'member 1 10.1.0.1:53',
    'write 0+1 10.1.0.1:53',
    'publish 10.96.0.1:53/UDP 1 0+1',
  ],
);
test(
  'nothing changed: nothing to do',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [http('10.1.0.1:80')] },
  [],
);
test(
  'other backends: a run elsewhere, one write to publish it',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [http('10.1.0.2:80')] },
  ['write 1+1 10.1.0.2:80', 'publish 10.96.0.1:80/TCP 1 1+1'],
);
test(
  'UDP: new members first, old ones last',
  plans,
  [{ [QUOTE]: [dns('10.1.0.1:53', '10.1.0.2:53')] }],
  { [QUOTE]: [dns('10.1.0.2:53', '10.1.0.3:53')] },
  [
    'member 1 10.1.0.3:53',
    'write 2+2 10.1.0.2:53 10.1.0.3:53',
    'publish 10.96.0.1:53/UDP 1 2+2',
    'remove 1 10.1.0.1:53',
  ],
);
test(
  'to no backends: published only',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [http()] },
  ['publish 10.96.0.1:80/TCP 1 0+0'],
);
test(
  'another clusterIP with the same backends: the run stays',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [resolved(QUOTE, 'http', '10.96.0.2:80/TCP', ['10.1.0.1:80'])] },
  ['publish 10.96.0.2:80/TCP 1 0+1', 'delete 10.96.0.1:80/TCP'],
);
test(
  'several frontends of one service port share a run',
  plans,
  [],
  { [QUOTE]: [http('10.1.0.1:80'), resolved(QUOTE, 'http', '192.0.2.1:80/TCP', ['10.1.0.1:80'])] },
  [
    'name 1 default/quote:http/TCP',
    'write 0+1 10.1.0.1:80',
    'publish 10.96.0.1:80/TCP 1 0+1',
    'publish 192.0.2.1:80/TCP 1 0+1',
  ],
);
test(
  'two families: a run each, the union of members',
  plans,
  [],
  { [QUOTE]: [dns('10.1.0.1:53'), resolved(QUOTE, 'dns', '[fd00::1]:53/UDP', ['[fd01::1]:53'])] },
  [
    'name 1 default/quote:dns/UDP',
    'member 1 10.1.0.1:53',
    'member 1 [fd01::1]:53',
    'write 0+1 10.1.0.1:53',
    'write 1+1 [fd01::1]:53',
    'publish 10.96.0.1:53/UDP 1 0+1',
    'publish [fd00::1]:53/UDP 1 1+1',
  ],
);
test(
  'a frontend that goes from one service port to another is never gone',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [resolved(QUOTE, 'web', '10.96.0.1:80/TCP', ['10.1.0.1:80'])] },
  [
    'name 2 default/quote:web/TCP',
    'write 1+1 10.1.0.1:80',
    'publish 10.96.0.1:80/TCP 2 1+1',
    'forget 1 default/quote:http/TCP',
  ],
);
test(
  'a frontend that goes from one Service to another is never gone',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [], [QUIZ]: [resolved(QUIZ, '', '10.96.0.1:80/TCP', ['10.1.0.2:80'])] },
  [
    'name 2 default/quiz:/TCP',
    'write 1+1 10.1.0.2:80',
    'publish 10.96.0.1:80/TCP 2 1+1',
    'forget 1 default/quote:http/TCP',
  ],
);
test(
  'a Service that is gone: frontends first, its name last; another stays',
  plans,
  [
    {
      [QUOTE]: [http('10.1.0.1:80'), dns('10.1.0.1:53')],
      [QUIZ]: [resolved(QUIZ, '', '10.96.0.2:80/TCP', [])],
    },
  ],
  { [QUOTE]: [] },
  [
    'delete 10.96.0.1:80/TCP',
    'delete 10.96.0.1:53/UDP',
    'remove 2 10.1.0.1:53',
    'forget 1 default/quote:http/TCP',
    'forget 2 default/quote:dns/UDP',
  ],
);
test('a Service that never was and is not wanted', plans, [], { [QUOTE]: [] }, []);
test(
  'a Service that comes back has an id that nobody had',
  plans,
  [{ [QUOTE]: [http()] }, { [QUOTE]: [] }],
  { [QUOTE]: [http()] },
  ['name 2 default/quote:http/TCP', 'publish 10.96.0.1:80/TCP 2 0+0'],
);

test('a plan takes its runs from the allocator, and lets it grow', (t) => {
  const slots = new SlotAllocator(1);
  const { allocated } = plan(
    asMap({ [QUOTE]: [http('10.1.0.1:80', '10.1.0.2:80'), dns('10.1.0.1:53')] }),
    new ActualTables(),
    slots,
  );
  t.deepEqual(allocated, [
    { first: 0, count: 2 },
    { first: 2, count: 1 },
  ]);
  t.is(slots.used, 3);
  t.true(slots.capacity >= 3);
});

test('a run is retired when the last frontend leaves it', (t) => {
  const actual = new ActualTables();
  const record = (dialled: string, run: SlotRun) =>
    actual.recordFrontend({
      frontend: frontend(dialled),
      servicePortId: 1,
      run,
      backendSet: `set at ${run.first}`,
    });
  const [A, B] = [
    { first: 0, count: 2 },
    { first: 2, count: 1 },
  ];
  record('10.96.0.1:80/TCP', A);
  record('10.96.0.2:80/TCP', A);
  record('10.96.0.1:80/TCP', B);
  t.deepEqual(actual.takeRetired(), []);
  actual.recordFrontendGone(frontend('10.96.0.2:80/TCP'));
  t.deepEqual(actual.takeRetired(), [A]);
  t.deepEqual(actual.takeRetired(), []);
  t.false(actual.isPublished(A));
  t.true(actual.isPublished(B));
});

test('frontends of a service port that change their runs over leave both in use', async (t) => {
  const slots = new SlotAllocator(64);
  const actual = new ActualTables();
  const tables = new FakeTables({ slots: 64 });
  const [one, two] = ['10.1.0.1:80', '10.1.0.2:80'];
  for (const [first, second] of [
    [one, two],
    [two, one],
  ]) {
    const wanted = asMap({
      [QUOTE]: [
        http(first as string),
        resolved(QUOTE, 'http', '192.0.2.1:80/TCP', [second as string]),
      ],
    });
    await apply(plan(wanted, actual, slots), slots.capacity, tables, actual);
  }
  t.deepEqual(actual.takeRetired(), []);
});

test('ids go round, past those in use', (t) => {
  const actual = new ActualTables();
  const inUse = (id: number) =>
    actual.recordServicePort({
      id,
      servicePort: { service: QUOTE, portName: String(id), protocol: 'TCP' },
    });
  for (let id = 1; id <= 20_000; id++) inUse(id);
  t.is(actual.nextServicePortId(), 20_001);
  inUse(0xffffffff);
  t.is(actual.nextServicePortId(), 20_001);
});

test('equal sets have equal keys, and no others', (t) => {
  const sets = [[], ['10.1.0.1:80'], ['10.1.0.1:8', '10.1.0.2:80'], ['10.1.0.1:80', '10.1.0.2:8']];
  const keys = sets.map((set) => backendSetKey(set.map(backend)));
  t.is(new Set(keys).size, sets.length);
  t.is(backendSetKey([backend('10.1.0.1:80')]), keys[1] as string);
});

function asMap(wanted: Wanted): Map<ObjectKey, readonly ResolvedFrontend[]> {
  return new Map(Object.entries(wanted) as [ObjectKey, readonly ResolvedFrontend[]][]);
}

function texts(steps: Steps): string[] {
  const run = ({ first, count }: SlotRun) => `${first}+${count}`;
  const at = (b: Backend) => formatEndpoint(b.address, b.port);
  return [
    ...steps.nameServicePort.map((s) => `name ${s.id} ${servicePortKey(s.servicePort)}`),
    ...steps.addMember.map((s) => `member ${s.servicePortId} ${at(s.backend)}`),
    ...steps.writeRun.map((s) => `write ${run(s.run)} ${s.backends.map(at).join(' ')}`),
    ...steps.publishFrontend.map(
      (s) => `publish ${frontendKey(s.frontend)} ${s.servicePortId} ${run(s.run)}`,
    ),
    ...steps.deleteFrontend.map((s) => `delete ${frontendKey(s.frontend)}`),
    ...steps.removeMember.map((s) => `remove ${s.servicePortId} ${at(s.backend)}`),
    ...steps.forgetServicePort.map((s) => `forget ${s.id} ${servicePortKey(s.servicePort)}`),
  ];
}
