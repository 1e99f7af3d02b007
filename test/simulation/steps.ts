// SPDX-License-Identifier: Apache-2.0
// What may happen in a simulation, as fast-check draws it and leaves it out again when it makes a failure small: each
// step makes sense whatever was before it. Carried out by world.ts.

import fc from 'fast-check';
import { WATCHED_KINDS, type WatchedKind } from '../../agent/model/cluster-state.ts';
import type { Attempt, TableName } from '../helpers/fake-tables.ts';
import { type Hand, hands } from '../helpers/foreign-hands.ts';
import { type Change, changes, SERVICES, SLICES } from '../helpers/random-cluster.ts';
import { type Disguise, type NodeFields, writeOf } from './api-objects.ts';
import { LINE_FAULTS, type LineFault, OUTAGES, type Outage } from './simulated-api.ts';
import type { Refusal } from './simulated-kernel.ts';

/** How long until the next step. */
interface Waiting {
  readonly waitMs: number;
}

export type Happening =
  | { readonly step: 'change'; readonly change: Change; readonly disguise: Disguise }
  /** The server goes away, and has forgotten what happened meanwhile when it comes back. */
  | { readonly step: 'absence'; readonly changes: readonly Change[]; readonly ms: number }
  | { readonly step: 'node'; readonly fields: NodeFields | undefined }
  | { readonly step: 'serviceCIDR'; readonly name: string; readonly cidrs: readonly string[] }
  | { readonly step: 'line'; readonly kind: WatchedKind; readonly fault: LineFault }
  | { readonly step: 'outage'; readonly kind: WatchedKind; readonly outage: Outage | undefined }
  | { readonly step: 'compact' }
  | { readonly step: 'lag'; readonly kind: WatchedKind; readonly changes: number }
  | { readonly step: 'network'; readonly delayMs: number; readonly pageSize: number }
  | { readonly step: 'writes'; readonly refusals: readonly Refusal[] }
  | { readonly step: 'reads'; readonly refusals: readonly Omit<Refusal, 'operation'>[] }
  | { readonly step: 'settling'; readonly likelihood: number }
  | { readonly step: 'room'; readonly table: TableName; readonly entries: number }
  | { readonly step: 'hand'; readonly hand: Hand }
  | { readonly step: 'slow'; readonly slowness: number }
  /** In the middle of its writes, and the next one hears nothing of some kind. */
  | {
      readonly step: 'kill';
      readonly writes: number;
      readonly downMs: number;
      readonly deafTo: WatchedKind | undefined;
    }
  | { readonly step: 'upgrade'; readonly downMs: number }
  | { readonly step: 'wait' }
  | { readonly step: 'rest' };

export type Step = Happening & Waiting;

/** A world as it begins, and what happens in it. */
export interface Story {
  /** Of the order of things that come at one moment, and of what steps leave to chance. */
  readonly chance: number;
  readonly slots: number;
  /** How likely it is that the agent is slow, wherever it looks at the clock. */
  readonly slowness: number;
  readonly steps: readonly Step[];
}

const ERRNOS = { EPERM: 1, EINTR: 4, ENOMEM: 12 };
const WRITTEN: readonly TableName[] = [
  'frontends',
  'members',
  'servicePorts',
  'sourceRanges',
  'slots',
];

const kinds = fc.constantFrom<WatchedKind[]>('Service', 'EndpointSlice', ...WATCHED_KINDS);
const waits = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0, 1, 5, 20) },
  { weight: 4, arbitrary: fc.constantFrom(100, 500, 1500, 3000) },
  { weight: 1, arbitrary: fc.constantFrom(15_000, 70_000) },
);
const errnos = fc.constantFrom(...Object.values(ERRNOS));
const likelihoods = fc.constantFrom(0.1, 0.3, 1);
const refusals = fc.record({ errno: errnos, likelihood: likelihoods });

const nodeFields: fc.Arbitrary<NodeFields> = fc.record({
  zone: fc.constantFrom('zone-a', 'zone-b', ''),
  addresses: fc.constantFrom(['10.1.1.1'], ['172.16.0.1', 'fd00::9'], ['10.1.1.2']),
  podCIDRs: fc.constantFrom(['10.244.0.0/24'], ['10.244.0.0/24', 'fd01::/64'], []),
});

const removals: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ removedService: fc.constantFrom(...SERVICES) }),
  fc.record({ removedSlice: fc.constantFrom(...SLICES) }),
);

const clusterSteps: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      step: fc.constant('change' as const),
      change: fc.oneof({ weight: 8, arbitrary: changes }, { weight: 1, arbitrary: removals }),
      disguise: fc.oneof(
        { weight: 12, arbitrary: fc.constant<Disguise>('none') },
        { weight: 1, arbitrary: fc.constantFrom<Disguise[]>('foreign', 'headless') },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('node' as const),
      fields: fc.option(nodeFields, { nil: undefined, freq: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('serviceCIDR' as const),
      name: fc.constantFrom('one', 'two'),
      cidrs: fc.constantFrom(['10.96.0.0/16'], ['10.96.0.0/24', 'fd00::/112'], []),
    }),
  },
);

const serverSteps: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      step: fc.constant('line' as const),
      kind: kinds,
      fault: fc.constantFrom(...LINE_FAULTS),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant('outage' as const),
      kind: kinds,
      outage: fc.constantFrom(undefined, undefined, ...OUTAGES),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ step: 'compact' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant('absence' as const),
      changes: fc.array(fc.oneof(removals, changes), { minLength: 1, maxLength: 3 }),
      ms: fc.constantFrom(10, 1000, 60_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('lag' as const),
      kind: kinds,
      changes: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('network' as const),
      delayMs: fc.constantFrom(0, 3, 30, 2000),
      pageSize: fc.constantFrom(1, 2, 100),
    }),
  },
);

const kernelSteps: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant('writes' as const),
      refusals: fc.oneof(
        fc.constant([]),
        refusals.map((one) => [one]),
        fc.array(
          fc.record({
            table: fc.constantFrom(...WRITTEN),
            operation: fc.constantFrom<Attempt['operation'][]>('put', 'delete', 'grow'),
            errno: errnos,
            likelihood: likelihoods,
          }),
          { maxLength: 3 },
        ),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('reads' as const),
      refusals: fc.oneof(
        fc.constant([]),
        refusals.map((one) => [one]),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('settling' as const),
      likelihood: fc.constantFrom(0, 0.5, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('room' as const),
      table: fc.constantFrom(...WRITTEN),
      entries: fc.constantFrom(4, 16, 64),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ step: fc.constant('hand' as const), hand: hands }),
  },
);

const agentSteps: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant('kill' as const),
      writes: fc.nat(30),
      downMs: fc.constantFrom(10, 1000, 20_000),
      deafTo: fc.constantFrom(undefined, undefined, ...WATCHED_KINDS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('upgrade' as const),
      downMs: fc.constantFrom(10, 1000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('slow' as const),
      slowness: fc.constantFrom(0, 0.1, 0.6),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ step: 'wait' as const }) },
  { weight: 1, arbitrary: fc.constant({ step: 'rest' as const }) },
);

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 12, arbitrary: clusterSteps },
  { weight: 5, arbitrary: serverSteps },
  { weight: 3, arbitrary: kernelSteps },
  { weight: 2, arbitrary: agentSteps },
);

const steps: fc.Arbitrary<Step> = fc
  .tuple(happenings, waits)
  .map(([happening, waitMs]) => ({ ...happening, waitMs }));

/** Stories of up to `length` steps. */
export function stories(length: number): fc.Arbitrary<Story> {
  return fc.record({
    chance: fc.nat(2 ** 31),
    slots: fc.constantFrom(4, 24, 64),
    slowness: fc.constantFrom(0, 0, 0.3),
    steps: fc.array(steps, { maxLength: length, size: 'max' }),
  });
}

/** In a line, for people. */
export function describe(step: Step): string {
  return `${wordsOf(step)}; ${step.waitMs} ms pass`;
}

function wordsOf({ step, waitMs: _, ...details }: Step): string {
  if ('hand' in details) return `a stranger ${details.hand.what}`;
  if ('change' in details) {
    const { kind, key, object } = writeOf(details.change, details.disguise);
    if (!object) return `${kind} ${key} is deleted`;
    const { metadata, ...fields } = object;
    const { name: _name, namespace: _namespace, ...more } = metadata;
    return `${kind} ${key} is ${JSON.stringify({ ...more, ...fields })}`;
  }
  if ('ms' in details) {
    return `for ${details.ms} ms nobody is there, and nothing is remembered of ${JSON.stringify(details.changes)}`;
  }
  const values = Object.entries(details).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return [step, ...values].join(' ');
}
