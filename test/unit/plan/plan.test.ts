// SPDX-License-Identifier: Apache-2.0
// From what is in the tables to what is to be there: which steps, in which order.

import test from 'ava';
import { formatEndpoint } from '../../../agent/model/address.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import type { ResolvedFrontend, ResolvedServicePort, Route } from '../../../agent/model/resolve.ts';
import {
  type Backend,
  backendSetKey,
  frontendKey,
  type FrontendKind as KindName,
  servicePortKey,
} from '../../../agent/model/service-port.ts';
import { ActualTables } from '../../../agent/plan/actual-tables.ts';
import {
  KINDS,
  plan,
  STEP_ORDER,
  type StepKind,
  type StepOf,
  type Steps,
  stepCount,
} from '../../../agent/plan/plan.ts';
import { SlotAllocator } from '../../../agent/plan/slot-allocator.ts';
import { apply } from '../../../agent/reconcile/apply.ts';
import { frontendKindOf } from '../../../agent/reconcile/entries.ts';
import {
  FrontendFlags,
  FrontendKind,
  MemberFlags,
  type SlotRun,
} from '../../../agent/sys/layout.gen.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { address, backend, frontend, prefixes, resolved } from '../../helpers/objects.ts';

type Wanted = Record<ObjectKey, readonly ResolvedServicePort[]>;

const QUOTE = 'default/quote';
const QUIZ = 'default/quiz';
/** Without members, which have tests of their own. */
const bare = (...port: Parameters<typeof resolved>): ResolvedServicePort => ({
  ...resolved(...port),
  members: [],
});
const http = (...backends: string[]) => bare(QUOTE, 'http', '10.96.0.1:80/TCP', backends);
const dns = (...backends: string[]) => resolved(QUOTE, 'dns', '10.96.0.1:53/UDP', backends);

/** One service port with the frontends and members of all of `ports`. */
function joined(
  first: ResolvedServicePort,
  ...others: readonly ResolvedServicePort[]
): ResolvedServicePort {
  const all = [first, ...others];
  return {
    ...first,
    frontends: all.flatMap(({ frontends }) => frontends),
    members: all.flatMap(({ members }) => members),
  };
}

const route = (list: Route['list'], backends: readonly string[], onEmpty: Route['onEmpty']) => ({
  list,
  backends: backends.map(backend),
  onEmpty,
});
const cluster = (...backends: string[]): Route => route('cluster', backends, 'reject');
const local = (...backends: string[]): Route => route('local', backends, 'drop');

const lb = (
  inside: Route,
  outside: Route = inside,
  more: Partial<ResolvedFrontend> = {},
): ResolvedFrontend => ({
  frontend: frontend('192.0.2.1:80/TCP'),
  kind: 'loadBalancer',
  inside,
  outside,
  isRestricted: false,
  ...more,
});
const nodePort = (inside: Route, outside: Route = inside): ResolvedFrontend =>
  lb(inside, outside, {
    frontend: { scope: 'node', address: address('0.0.0.0'), port: 30080, protocol: 'TCP' },
    kind: 'nodePort',
  });
const OTHER_PORTS: ResolvedFrontend = lb(cluster(), cluster(), {
  frontend: { scope: 'otherPorts', address: address('10.96.0.1'), port: 0, protocol: 'any' },
  kind: 'otherPorts',
});
/** `default/quote:http` with these frontends and settings, and no other. */
const port = (
  frontends: readonly ResolvedFrontend[],
  more: Partial<ResolvedServicePort> = {},
): ResolvedServicePort => ({ ...http(), frontends, ...more });

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
    'widen 1 10.1.0.1:53 cluster',
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
    'widen 1 10.1.0.3:53 cluster',
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
  { [QUOTE]: [bare(QUOTE, 'http', '10.96.0.2:80/TCP', ['10.1.0.1:80'])] },
  ['publish 10.96.0.2:80/TCP 1 0+1', 'delete 10.96.0.1:80/TCP'],
);
test(
  'frontends of every kind share a run where their backends are the same',
  plans,
  [],
  {
    [QUOTE]: [
      joined(
        http('10.1.0.1:80'),
        port([lb(cluster('10.1.0.1:80')), nodePort(cluster('10.1.0.1:80')), OTHER_PORTS]),
      ),
    ],
  },
  [
    'name 1 default/quote:http/TCP',
    'write 0+1 10.1.0.1:80',
    'publish 10.96.0.1:80/TCP 1 0+1',
    'publish 192.0.2.1:80/TCP 1 0+1 loadBalancer',
    'publish nodePort 0.0.0.0:30080/TCP 1 0+1 nodePort',
    'publish 10.96.0.1:* 1 0+0 otherPorts',
  ],
);
test(
  'other backends for every kind: one run, and each is published anew',
  plans,
  [{ [QUOTE]: [port([lb(cluster('10.1.0.1:80')), nodePort(cluster('10.1.0.1:80'))])] }],
  { [QUOTE]: [port([lb(cluster('10.1.0.2:80')), nodePort(cluster('10.1.0.2:80'))])] },
  [
    'write 1+1 10.1.0.2:80',
    'publish 192.0.2.1:80/TCP 1 1+1 loadBalancer',
    'publish nodePort 0.0.0.0:30080/TCP 1 1+1 nodePort',
  ],
);
test(
  'inside and outside have a run each where their backends differ; other frontends share both',
  plans,
  [],
  {
    [QUOTE]: [
      joined(
        http('10.1.0.1:80', '10.2.0.1:80'),
        port([
          lb(cluster('10.1.0.1:80', '10.2.0.1:80'), local('10.1.0.1:80')),
          nodePort(cluster('10.1.0.1:80', '10.2.0.1:80'), local('10.1.0.1:80')),
        ]),
      ),
    ],
  },
  [
    'name 1 default/quote:http/TCP',
    'write 0+2 10.1.0.1:80 10.2.0.1:80',
    'write 2+1 10.1.0.1:80',
    'publish 10.96.0.1:80/TCP 1 0+2',
    'publish 192.0.2.1:80/TCP 1 0+2 | 2+1 loadBalancer LOCAL_OUTSIDE',
    'publish nodePort 0.0.0.0:30080/TCP 1 0+2 | 2+1 nodePort LOCAL_OUTSIDE',
  ],
);
test(
  'inside and outside share a run where both lists are the same',
  plans,
  [],
  { [QUOTE]: [port([lb(cluster('10.1.0.1:80'), local('10.1.0.1:80'))])] },
  [
    'name 1 default/quote:http/TCP',
    'write 0+1 10.1.0.1:80',
    'publish 192.0.2.1:80/TCP 1 0+1 loadBalancer LOCAL_OUTSIDE',
  ],
);
test(
  'the last local backend leaves: no run is written, outside is dropped',
  plans,
  [{ [QUOTE]: [port([lb(cluster('10.1.0.1:80', '10.2.0.1:80'), local('10.2.0.1:80'))])] }],
  { [QUOTE]: [port([lb(cluster('10.1.0.1:80', '10.2.0.1:80'), local())])] },
  ['publish 192.0.2.1:80/TCP 1 0+2 | 0+0 loadBalancer DROPS_OUTSIDE LOCAL_OUTSIDE'],
);
test(
  'what was outside alone becomes the cluster list: its run stays',
  plans,
  [{ [QUOTE]: [port([lb(cluster('10.1.0.1:80', '10.2.0.1:80'), local('10.1.0.1:80'))])] }],
  { [QUOTE]: [port([lb(cluster('10.1.0.1:80'), local('10.1.0.1:80'))])] },
  ['publish 192.0.2.1:80/TCP 1 2+1 loadBalancer LOCAL_OUTSIDE'],
);

for (const [what, wanted, flags] of [
  ['refused on both sides', lb(cluster()), ''],
  ['backends: nothing is dropped', lb(route('cluster', ['10.1.0.1:80'], 'drop')), ''],
  ['dropped on both sides', lb(local()), 'DROPS_INSIDE DROPS_OUTSIDE LOCAL_INSIDE LOCAL_OUTSIDE'],
  ['dropped outside', lb(cluster(), local()), 'DROPS_OUTSIDE LOCAL_OUTSIDE'],
  ['dropped inside', lb(local(), cluster()), 'DROPS_INSIDE LOCAL_INSIDE'],
  ['refused, of the local list', lb(route('local', [], 'reject')), 'LOCAL_INSIDE LOCAL_OUTSIDE'],
  ['restricted', lb(cluster(), cluster(), { isRestricted: true }), 'RESTRICTED'],
] as const) {
  test(`flags: ${what}`, (t) => {
    const { steps } = plan(
      asMap({ [QUOTE]: [port([wanted], { sourceRanges: prefixes('10.0.0.0/8') })] }),
      new ActualTables(),
      new SlotAllocator(8),
    );
    t.deepEqual(
      steps.publishFrontend.map((step) => flagsText(FrontendFlags, step.flags)),
      [flags],
    );
  });
}

for (const [what, before, wanted, expected] of [
  ['flags', lb(local()), lb(route('local', [], 'reject')), 'LOCAL_INSIDE LOCAL_OUTSIDE'],
  ['kind', lb(cluster(), cluster(), { kind: 'externalIP' }), lb(cluster()), ''],
] as const) {
  test(
    `a change of ${what} alone publishes the frontend and writes no run`,
    plans,
    [{ [QUOTE]: [port([before])] }],
    { [QUOTE]: [port([wanted])] },
    [`publish 192.0.2.1:80/TCP 1 0+0 loadBalancer ${expected}`.trim()],
  );
}
test(
  'a change of the affinity time-out alone publishes each frontend and writes no run',
  plans,
  [{ [QUOTE]: [port([...http('10.1.0.1:80').frontends, lb(cluster('10.1.0.1:80'))])] }],
  {
    [QUOTE]: [
      port([...http('10.1.0.1:80').frontends, lb(cluster('10.1.0.1:80'))], {
        affinityTimeoutSeconds: 10800,
      }),
    ],
  },
  [
    'publish 10.96.0.1:80/TCP 1 0+1 affinity 10800',
    'publish 192.0.2.1:80/TCP 1 0+1 loadBalancer affinity 10800',
  ],
);

test('every kind has a number, and every number a kind', (t) => {
  const words = Object.keys(KINDS) as KindName[];
  t.deepEqual(
    words.map((word) => frontendKindOf(KINDS[word])),
    words,
  );
  t.deepEqual(Object.values(KINDS).sort(), Object.values(FrontendKind).sort());
  t.is(frontendKindOf(0), undefined);
});

const member = (text: string, ...words: ('cluster' | 'local' | 'here')[]) => ({
  backend: backend(text),
  isInCluster: words.includes('cluster'),
  isInLocal: words.includes('local'),
  isOnNode: words.includes('here'),
});

test(
  'a member that drains is in no list, and a member still',
  plans,
  [{ [QUOTE]: [dns('10.1.0.1:53', '10.1.0.2:53')] }],
  {
    [QUOTE]: [
      {
        ...dns('10.1.0.2:53'),
        members: [member('10.1.0.1:53'), member('10.1.0.2:53', 'cluster')],
      },
    ],
  },
  ['write 2+1 10.1.0.2:53', 'publish 10.96.0.1:53/UDP 1 2+1', 'narrow 1 10.1.0.1:53 none'],
);
test(
  'a new Service whose endpoint drains already has it as a member',
  plans,
  [],
  { [QUOTE]: [{ ...dns('10.1.0.2:53'), members: [member('10.1.0.1:53')] }] },
  [
    'name 1 default/quote:dns/UDP',
    'widen 1 10.1.0.1:53 none',
    'write 0+1 10.1.0.2:53',
    'publish 10.96.0.1:53/UDP 1 0+1',
  ],
);
test(
  'a member that goes from one list to the other is in both while that is published',
  plans,
  [{ [QUOTE]: [{ ...dns('10.1.0.1:53'), members: [member('10.1.0.1:53', 'cluster')] }] }],
  {
    [QUOTE]: [
      {
        ...dns(),
        frontends: [{ ...lb(local('10.1.0.1:53')), frontend: frontend('10.96.0.1:53/UDP') }],
        members: [member('10.1.0.1:53', 'local')],
      },
    ],
  },
  [
    'widen 1 10.1.0.1:53 cluster+local',
    'publish 10.96.0.1:53/UDP 1 0+1 loadBalancer LOCAL_INSIDE LOCAL_OUTSIDE',
    'narrow 1 10.1.0.1:53 local',
  ],
);
test(
  'a member that comes into one more list is widened only, one that leaves one narrowed only',
  plans,
  [
    {
      [QUOTE]: [
        {
          ...dns('10.1.0.1:53', '10.1.0.2:53'),
          members: [member('10.1.0.1:53', 'cluster'), member('10.1.0.2:53', 'cluster', 'local')],
        },
      ],
    },
  ],
  {
    [QUOTE]: [
      {
        ...dns('10.1.0.1:53', '10.1.0.2:53'),
        members: [member('10.1.0.1:53', 'cluster', 'local'), member('10.1.0.2:53', 'cluster')],
      },
    ],
  },
  ['widen 1 10.1.0.1:53 cluster+local', 'narrow 1 10.1.0.2:53 cluster'],
);
const withMembers = (...members: ResolvedServicePort['members']): Wanted => ({
  [QUOTE]: [{ ...dns('10.1.0.1:53'), members }],
});
test(
  'where a member is, is right at once, whatever lists it is in meanwhile',
  plans,
  [withMembers(member('10.1.0.1:53', 'cluster'), member('10.1.0.2:53', 'local', 'here'))],
  withMembers(member('10.1.0.1:53', 'local', 'here'), member('10.1.0.2:53', 'cluster')),
  [
    'widen 1 10.1.0.1:53 cluster+local+here',
    'widen 1 10.1.0.2:53 cluster+local',
    'narrow 1 10.1.0.1:53 local+here',
    'narrow 1 10.1.0.2:53 cluster',
  ],
);
test(
  'a member that is elsewhere now, in the same lists: one write',
  plans,
  [withMembers(member('10.1.0.1:53', 'cluster', 'here'), member('10.1.0.2:53', 'here'))],
  withMembers(member('10.1.0.1:53', 'cluster'), member('10.1.0.2:53', 'here')),
  ['widen 1 10.1.0.1:53 cluster'],
);
test(
  'backends of TCP are members too',
  plans,
  [{ [QUOTE]: [resolved(QUOTE, 'http', '10.96.0.1:80/TCP', ['10.1.0.1:80'])] }],
  { [QUOTE]: [resolved(QUOTE, 'http', '10.96.0.1:80/TCP', ['10.1.0.2:80'])] },
  [
    'widen 1 10.1.0.2:80 cluster',
    'write 1+1 10.1.0.2:80',
    'publish 10.96.0.1:80/TCP 1 1+1',
    'remove 1 10.1.0.1:80',
  ],
);
test(
  'members that are forgotten: after it is said so',
  plans,
  [withMembers(member('10.1.0.1:53', 'cluster'), member('10.1.0.2:53', 'cluster', 'here'))],
  {
    [QUOTE]: [
      {
        ...dns('10.1.0.1:53'),
        members: [member('10.1.0.2:53', 'cluster', 'here')],
        forgetsMembers: true,
      },
    ],
  },
  ['publish 10.96.0.1:53/UDP 1 0+1 FORGETS', 'remove 1 10.1.0.1:53'],
);
test(
  'members that are asked for again: before it is said so',
  plans,
  [{ [QUOTE]: [{ ...dns('10.1.0.1:53'), members: [], forgetsMembers: true }] }],
  withMembers(member('10.1.0.1:53', 'cluster')),
  ['widen 1 10.1.0.1:53 cluster', 'publish 10.96.0.1:53/UDP 1 0+1'],
);
test(
  'affinity that is switched on',
  plans,
  [{ [QUOTE]: [http('10.1.0.1:80')] }],
  { [QUOTE]: [{ ...http('10.1.0.1:80'), affinityTimeoutSeconds: 10 }] },
  ['publish 10.96.0.1:80/TCP 1 0+1 affinity 10'],
);

const maglev = (...backends: string[]): ResolvedServicePort => ({
  ...http(...backends),
  balancing: 'maglev',
});
const weighted = (weights: number[], ...backends: string[]): ResolvedServicePort =>
  port([lb({ ...cluster(...backends), weights })]);
const TWO = ['10.1.0.1:80', '10.1.0.2:80'];

test(
  'Maglev: a table, written elsewhere than the backends by themselves',
  plans,
  [{ [QUOTE]: [http(...TWO)] }],
  { [QUOTE]: [maglev(...TWO)] },
  ['write 2+251 10.1.0.1:80 x126 10.1.0.2:80 x125', 'publish 10.96.0.1:80/TCP 1 2+251 MAGLEV'],
);
test('back from Maglev', plans, [{ [QUOTE]: [maglev(...TWO)] }], { [QUOTE]: [http(...TWO)] }, [
  'write 251+2 10.1.0.1:80 10.1.0.2:80',
  'publish 10.96.0.1:80/TCP 1 251+2',
]);
test(
  'Maglev of one backend, or of none: no table',
  plans,
  [{ [QUOTE]: [maglev('10.1.0.1:80')] }],
  { [QUOTE]: [maglev()] },
  ['publish 10.96.0.1:80/TCP 1 0+0 MAGLEV'],
);
test(
  'frontends of one set share a table',
  plans,
  [],
  {
    [QUOTE]: [
      port([lb(cluster(...TWO)), nodePort(cluster(...TWO), cluster(TWO[1] ?? '')), OTHER_PORTS], {
        balancing: 'maglev',
      }),
    ],
  },
  [
    'name 1 default/quote:http/TCP',
    'write 0+251 10.1.0.1:80 x126 10.1.0.2:80 x125',
    'write 251+1 10.1.0.2:80',
    'publish 192.0.2.1:80/TCP 1 0+251 loadBalancer MAGLEV',
    'publish nodePort 0.0.0.0:30080/TCP 1 0+251 | 251+1 nodePort MAGLEV',
    'publish 10.96.0.1:* 1 0+0 otherPorts',
  ],
);
test(
  'weights are a table too, of which places are picked at random',
  plans,
  [{ [QUOTE]: [port([lb(cluster(...TWO))])] }],
  { [QUOTE]: [weighted([1, 4], ...TWO)] },
  ['write 2+251 10.1.0.1:80 x51 10.1.0.2:80 x200', 'publish 192.0.2.1:80/TCP 1 2+251 loadBalancer'],
);
test(
  'other weights: another table',
  plans,
  [{ [QUOTE]: [weighted([1, 4], ...TWO)] }],
  { [QUOTE]: [weighted([4, 1], ...TWO)] },
  [
    'write 251+251 10.1.0.1:80 x201 10.1.0.2:80 x50',
    'publish 192.0.2.1:80/TCP 1 251+251 loadBalancer',
  ],
);
test(
  'other weights in the same proportion: nothing',
  plans,
  [{ [QUOTE]: [weighted([1, 4], ...TWO)] }],
  { [QUOTE]: [weighted([5, 20], ...TWO)] },
  [],
);

const restricted = (...texts: string[]) =>
  port([lb(cluster('10.1.0.1:80'), cluster('10.1.0.1:80'), { isRestricted: texts.length > 0 })], {
    sourceRanges: prefixes(...texts),
  });

test(
  'source ranges are there before what they restrict',
  plans,
  [],
  { [QUOTE]: [restricted('10.0.0.0/8', '2001:db8::/32')] },
  [
    'name 1 default/quote:http/TCP',
    'let in 1 10.0.0.0/8',
    'let in 1 2001:db8::/32',
    'write 0+1 10.1.0.1:80',
    'publish 192.0.2.1:80/TCP 1 0+1 loadBalancer RESTRICTED',
  ],
);
test(
  'other source ranges: those that come first, those that go last, nothing is published',
  plans,
  [{ [QUOTE]: [restricted('10.0.0.0/8', '172.16.0.0/12')] }],
  { [QUOTE]: [restricted('192.168.0.0/16', '172.16.0.0/12')] },
  ['let in 1 192.168.0.0/16', 'keep out 1 10.0.0.0/8'],
);
test(
  'a restriction that is lifted: published first, then its ranges go',
  plans,
  [{ [QUOTE]: [restricted('10.0.0.0/8')] }],
  { [QUOTE]: [restricted()] },
  ['publish 192.0.2.1:80/TCP 1 0+1 loadBalancer', 'keep out 1 10.0.0.0/8'],
);
test(
  'source ranges that restrict no frontend are not written',
  plans,
  [],
  { [QUOTE]: [{ ...http(), sourceRanges: prefixes('10.0.0.0/8') }] },
  ['name 1 default/quote:http/TCP', 'publish 10.96.0.1:80/TCP 1 0+0'],
);
test(
  'a restricted Service that is gone leaves nothing',
  plans,
  [{ [QUOTE]: [restricted('10.0.0.0/8')] }],
  { [QUOTE]: [] },
  ['delete 192.0.2.1:80/TCP', 'keep out 1 10.0.0.0/8', 'forget 1 default/quote:http/TCP'],
);

test(
  'two families: a run each, the union of members',
  plans,
  [],
  {
    [QUOTE]: [
      joined(dns('10.1.0.1:53'), resolved(QUOTE, 'dns', '[fd00::1]:53/UDP', ['[fd01::1]:53'])),
    ],
  },
  [
    'name 1 default/quote:dns/UDP',
    'widen 1 10.1.0.1:53 cluster',
    'widen 1 [fd01::1]:53 cluster',
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
  { [QUOTE]: [bare(QUOTE, 'web', '10.96.0.1:80/TCP', ['10.1.0.1:80'])] },
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
  { [QUOTE]: [], [QUIZ]: [bare(QUIZ, '', '10.96.0.1:80/TCP', ['10.1.0.2:80'])] },
  [
    'name 2 default/quiz:/TCP',
    'write 1+1 10.1.0.2:80',
    'publish 10.96.0.1:80/TCP 2 1+1',
    'forget 1 default/quote:http/TCP',
  ],
);
test(
  'a service port whose every frontend is another’s is not there at all',
  plans,
  [{ [QUOTE]: [dns('10.1.0.1:53')] }],
  { [QUOTE]: [{ ...dns('10.1.0.1:53'), frontends: [] }] },
  ['delete 10.96.0.1:53/UDP', 'remove 1 10.1.0.1:53', 'forget 1 default/quote:dns/UDP'],
);
test(
  'a Service that is gone: frontends first, its name last; another stays',
  plans,
  [
    {
      [QUOTE]: [http('10.1.0.1:80'), dns('10.1.0.1:53')],
      [QUIZ]: [bare(QUIZ, '', '10.96.0.2:80/TCP', [])],
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

test('a run is retired when the last frontend leaves it, on both sides', (t) => {
  const actual = new ActualTables();
  const record = (dialled: string, inside: SlotRun, outside: SlotRun) =>
    actual.recordFrontend({
      frontend: frontend(dialled),
      servicePortId: 1,
      kind: FrontendKind.CLUSTER_IP,
      flags: 0,
      affinityTimeoutSeconds: 0,
      inside: { run: inside, backendSet: `set at ${inside.first}` },
      outside: { run: outside, backendSet: `set at ${outside.first}` },
    });
  const [A, B] = [
    { first: 0, count: 2 },
    { first: 2, count: 1 },
  ];
  record('10.96.0.1:80/TCP', A, A);
  record('10.96.0.2:80/TCP', B, A);
  record('10.96.0.1:80/TCP', B, B);
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
  const [one, two] = [cluster('10.1.0.1:80'), cluster('10.1.0.2:80')];
  for (const [first, second] of [
    [one, two],
    [two, one],
  ] as const) {
    const wanted = asMap({ [QUOTE]: [port([lb(first, second), nodePort(second, first)])] });
    await apply(plan(wanted, actual, slots), slots.capacity, tables, actual);
  }
  t.deepEqual(actual.takeRetired(), []);
});

test('ids go on past those in use', (t) => {
  const actual = new ActualTables();
  const inUse = (id: number) =>
    actual.recordServicePort({
      id,
      servicePort: { service: QUOTE, portName: String(id), protocol: 'TCP' },
    });
  for (let id = 1; id <= 20_000; id++) inUse(id);
  t.is(actual.nextServicePortId(), 2 * 16_384);
});

test('equal sets have equal keys, and no others', (t) => {
  const sets = [[], ['10.1.0.1:80'], ['10.1.0.1:8', '10.1.0.2:80'], ['10.1.0.1:80', '10.1.0.2:8']];
  const keys = sets.map((set) => backendSetKey(set.map(backend)));
  t.is(new Set(keys).size, sets.length);
  t.is(backendSetKey([backend('10.1.0.1:80')]), keys[1] as string);
  const [a, b] = [backend('10.1.0.1:80'), backend('10.1.0.2:80')];
  const tables = [
    [a, a, b],
    [a, b, b],
    [a, b, a],
    [b, a, b],
    [a, a, b, b],
    [a, b],
  ];
  t.is(new Set(tables.map(backendSetKey)).size, tables.length);
  t.is(backendSetKey([a, a, b]), backendSetKey([a, { ...a }, { ...b }]));
});

function asMap(wanted: Wanted): Map<ObjectKey, readonly ResolvedServicePort[]> {
  return new Map(Object.entries(wanted) as [ObjectKey, readonly ResolvedServicePort[]][]);
}

const memberText = (s: StepOf<'widenMember'>) =>
  `${s.servicePortId} ${at(s.backend)} ${flagsText(MEMBER_WORDS, s.flags, '+') || 'none'}`;
const MEMBER_WORDS = {
  cluster: MemberFlags.IN_CLUSTER,
  local: MemberFlags.IN_LOCAL,
  here: MemberFlags.ON_NODE,
};

const TEXTS: { readonly [K in StepKind]: (step: StepOf<K>) => string } = {
  nameServicePort: (s) => `name ${s.id} ${servicePortKey(s.servicePort)}`,
  addSourceRange: (s) => `let in ${s.servicePortId} ${s.range}`,
  widenMember: (s) => `widen ${memberText(s)}`,
  writeRun: (s) => `write ${runText(s.run)} ${slotsText(s.backends)}`,
  publishFrontend: publishText,
  deleteFrontend: (s) => `delete ${frontendKey(s.frontend)}`,
  narrowMember: (s) => `narrow ${memberText(s)}`,
  removeMember: (s) => `remove ${s.servicePortId} ${at(s.backend)}`,
  removeSourceRange: (s) => `keep out ${s.servicePortId} ${s.range}`,
  forgetServicePort: (s) => `forget ${s.id} ${servicePortKey(s.servicePort)}`,
};

function texts(steps: Steps): string[] {
  return STEP_ORDER.flatMap((kind) =>
    (steps[kind] as StepOf<StepKind>[]).map(TEXTS[kind] as (step: StepOf<StepKind>) => string),
  );
}

/** What is not so for a plain clusterIP stands behind the runs. */
function publishText(step: StepOf<'publishFrontend'>): string {
  const [inside, outside] = [runText(step.inside.run), runText(step.outside.run)];
  return [
    `publish ${frontendKey(step.frontend)} ${step.servicePortId}`,
    outside === inside ? inside : `${inside} | ${outside}`,
    step.kind === FrontendKind.CLUSTER_IP ? '' : frontendKindOf(step.kind),
    flagsText(FrontendFlags, step.flags),
    step.affinityTimeoutSeconds ? `affinity ${step.affinityTimeoutSeconds}` : '',
  ]
    .filter((word) => word !== '')
    .join(' ');
}

/** Each backend, with how many slots it has where it has several. */
function slotsText(backends: readonly Backend[]): string {
  const counts = Map.groupBy(backends.map(at), (text) => text);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([text, { length }]) => (length === 1 ? text : `${text} x${length}`))
    .join(' ');
}

function runText({ first, count }: SlotRun): string {
  return `${first}+${count}`;
}

function at(b: Backend): string {
  return formatEndpoint(b.address, b.port);
}

function flagsText(names: Readonly<Record<string, number>>, flags: number, between = ' '): string {
  return Object.keys(names)
    .filter((name) => flags & (names[name] ?? 0))
    .join(between);
}
