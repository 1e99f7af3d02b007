// SPDX-License-Identifier: Apache-2.0
// What happens around the node, at random: packets of clients, answers, errors, fragments, nonsense, time,
// losses, changes of the Services. Few addresses and ports, so that everything meets everything. Pure.

import fc from 'fast-check';
import { clusters, type RandomCluster } from './random-services.ts';

/** Where clients are, and the device that they come in by. */
export const CLIENTS = [
  { place: 'client', device: 'uplink' },
  { place: 'otherClient', device: 'uplink' },
  { place: 'client', device: 'narrow' },
  { place: 'secondRemotePod', device: 'uplink' },
  { place: 'localPod', device: 'pod' },
] as const;

export const DIALLED = [
  'clusterIP',
  'external',
  'loadBalancer',
  'node',
  'narrowNode',
  'otherClusterIP',
] as const;

/** Of no service: addresses that are next to those of services, ports that nobody serves. */
export const STRANGE = [
  'unallocated',
  'stranger',
  'otherNode',
  'localPod',
  'remotePod',
  'router',
] as const;

export const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;

/** What is special about a packet. */
export interface Form {
  readonly kind:
    | 'plain'
    | 'wrong checksum'
    | 'no checksum'
    | 'zero sum'
    | 'long header'
    | 'big'
    | 'fragments'
    | 'fragments, last first'
    | 'ttl'
    | 'trailer'
    | 'cut'
    | 'other host'
    | 'tagged';
  readonly number: number;
}

export type Step =
  | {
      readonly do: 'request';
      readonly client: number;
      readonly port: number;
      readonly dialled: (typeof DIALLED)[number];
      readonly protocol: (typeof PROTOCOLS)[number];
      readonly flags: string;
      readonly isIpv6: boolean;
      readonly form: Form;
    }
  | {
      readonly do: 'reply';
      readonly nth: number;
      readonly flags: string;
      readonly form: Form;
    }
  /** Once more, by a client that has been there. */
  | { readonly do: 'again'; readonly nth: number; readonly flags: string; readonly form: Form }
  | {
      readonly do: 'error';
      readonly nth: number;
      readonly kind: (typeof ERRORS)[number];
      /** Bytes of the transport that are quoted; all. */
      readonly quoted: number | undefined;
      readonly isFromFar: boolean;
      readonly form: Form;
    }
  | { readonly do: 'echo'; readonly to: Target; readonly isIpv6: boolean; readonly form: Form }
  | {
      readonly do: 'stray';
      readonly from: Target;
      readonly to: Target;
      readonly ports: readonly [number, number];
      readonly protocol: (typeof PROTOCOLS)[number];
      readonly flags: string;
      readonly isIpv6: boolean;
      readonly isEgress: boolean;
      readonly form: Form;
    }
  /** A packet that has been seen, as it was, at any hook. */
  | {
      readonly do: 'replay';
      readonly nth: number;
      readonly isEgress: boolean;
      readonly device: number;
      /** Bytes of it that are others. */
      readonly changed: readonly (readonly [number, number])[];
    }
  /** IPv4's addresses of a seen packet, in an IPv6 packet. */
  | { readonly do: 'mapped'; readonly nth: number; readonly isEgress: boolean }
  | {
      readonly do: 'bytes';
      readonly data: Uint8Array;
      readonly type: number;
      readonly isEgress: boolean;
    }
  | { readonly do: 'age'; readonly seconds: number }
  | { readonly do: 'lose'; readonly nth: number }
  | { readonly do: 'serve'; readonly cluster: RandomCluster };

export type Target = (typeof DIALLED)[number] | (typeof STRANGE)[number];

export const ERRORS = [
  'no route',
  'host unreachable',
  'port unreachable',
  'too big',
  'time exceeded',
  'parameter problem',
] as const;

const form: fc.Arbitrary<Form> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant('plain' as const) },
    {
      weight: 13,
      arbitrary: fc.constantFrom(
        ...([
          'wrong checksum',
          'no checksum',
          'zero sum',
          'long header',
          'big',
          'big',
          'fragments',
          'fragments',
          'fragments, last first',
          'ttl',
          'trailer',
          'cut',
        ] as const),
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom(...(['other host', 'tagged'] as const)) },
  ),
  number: fc.nat(0xffff),
});

const nth = fc.nat(11);
const isIpv6 = fc.boolean();
const isEgress = fc.boolean();
const isSeldomEgress = fc.nat(4).map((n) => n === 0);
const FLAGS = [
  'ACK',
  'PSH ACK',
  'FIN ACK',
  'FIN ACK',
  'RST',
  'RST ACK',
  'SYN ACK',
  'SYN',
  'SYN',
  'FIN',
  '',
];
const flags = fc.constantFrom(...FLAGS);
const target = fc.constantFrom(...DIALLED, ...STRANGE);
const protocol = fc.constantFrom(...PROTOCOLS, ...PROTOCOLS.slice(0, 2));

/** Beside time-outs of 10, 30, 60, 120, 300, 3600 and 86400 s. */
const AGES = [4, 13, 24, 33, 54, 64, 113, 124, 290, 310, 3500, 3700, 86_000, 86_600];

const does = <T extends string>(word: T) => fc.constant(word);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: does('request'),
      client: fc.nat(CLIENTS.length - 1),
      port: fc.nat(1),
      dialled: fc.constantFrom(...DIALLED),
      protocol,
      flags: fc.oneof(
        { weight: 5, arbitrary: fc.constant('SYN') },
        { weight: 1, arbitrary: flags },
      ),
      isIpv6,
      form,
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: does('reply'), nth, flags, form }) },
  { weight: 10, arbitrary: fc.record({ do: does('again'), nth, flags, form }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: does('error'),
      nth,
      kind: fc.constantFrom(...ERRORS),
      quoted: fc.constantFrom(undefined, undefined, 4, 8, 8, 12, 20, 30),
      isFromFar: fc.boolean(),
      form,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: does('echo'), to: target, isIpv6, form }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: does('stray'),
      from: target,
      to: target,
      ports: fc.tuple(
        fc.constantFrom(80, 8080, 40_000, 50_001, 30_080, 9000, 0),
        fc.constantFrom(80, 81, 8080, 40_000, 50_001, 30_080, 30_081, 9000, 0),
      ),
      protocol,
      flags,
      isIpv6,
      isEgress: isSeldomEgress,
      form,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: does('replay'),
      nth,
      isEgress,
      device: fc.nat(2),
      changed: fc.oneof(
        fc.constant([]),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: does('mapped'), nth, isEgress: isSeldomEgress }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: does('bytes'),
      data: fc.uint8Array({ minLength: 1, maxLength: 120 }),
      type: fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100, 0),
      isEgress,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: does('age'), seconds: fc.constantFrom(...AGES) }) },
  { weight: 1, arbitrary: fc.record({ do: does('lose'), nth }) },
  { weight: 1, arbitrary: fc.record({ do: does('serve'), cluster: clusters }) },
);

export interface History {
  readonly cluster: RandomCluster;
  readonly steps: readonly Step[];
}

export const histories: fc.Arbitrary<History> = fc.record({
  cluster: clusters,
  steps: fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }),
});
