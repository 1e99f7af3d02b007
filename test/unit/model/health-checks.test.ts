// SPDX-License-Identifier: Apache-2.0
// Which endpoints count for the health checks of load balancers, and where those are answered (semantics 1.11).

import test from 'ava';
import type { IpFamily } from '../../../agent/model/address.ts';
import { healthCheckHosts, healthCheckOf } from '../../../agent/model/health-checks.ts';
import type { NodePortAddresses } from '../../../agent/model/node-facts.ts';
import type { EndpointSliceSpec } from '../../../agent/model/objects.ts';
import { address, type PortText, prefixes, service, slice } from '../../helpers/objects.ts';

const HERE = { name: 'node-1' };
const DUAL = ['10.96.0.1', 'fd00::1'];
const quiz = (clusterIPs = DUAL, more = {}) =>
  service('kiada/quiz', clusterIPs, ['http/TCP:80', 'https/TCP:443'], undefined, {
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30_100,
    ...more,
  });
let slices = 0;
const quizSlice = (endpoints: readonly string[], ports: readonly PortText[] = ['http/TCP:8080']) =>
  slice(`kiada/quiz-${slices++}`, 'quiz', ports, endpoints);

const counts = test.macro({
  exec(t, all: readonly EndpointSliceSpec[], ipv4: number, ipv6?: number) {
    t.deepEqual(healthCheckOf(quiz(), all, HERE), {
      namespace: 'kiada',
      name: 'quiz',
      port: 30_100,
      localEndpoints: new Map<IpFamily, number>([
        ['IPv4', ipv4],
        ['IPv6', ipv6 ?? 0],
      ]),
    });
    const reversed = healthCheckOf(quiz(), all.toReversed(), HERE);
    t.is(reversed?.localEndpoints.get('IPv4'), ipv4, 'the order of slices does not matter');
  },
  title: (what) => `counted: ${what}`,
});

const BOTH: readonly PortText[] = ['http/TCP:8080', 'https/TCP:8443'];

test('none without slices', counts, [], 0);
test(
  'those on this node',
  counts,
  [quizSlice(['10.1.0.1 on:node-1', '10.1.0.2 on:node-2', '10.1.0.3'])],
  1,
);
test(
  'an address once, over all ports and slices',
  counts,
  [
    quizSlice(['10.1.0.1 on:node-1', '10.1.0.2 on:node-1'], BOTH),
    quizSlice(['10.1.0.2 on:node-1', '10.1.0.4 on:node-1'], ['https/TCP:8443']),
  ],
  3,
);
test(
  'an address that is ready for one port alone',
  counts,
  [
    quizSlice(['10.1.0.1 on:node-1 unready'], ['http/TCP:8080']),
    quizSlice(['10.1.0.1 on:node-1'], ['https/TCP:8443']),
  ],
  1,
);
test(
  'only ready ones: not those that are served while they terminate',
  counts,
  [
    quizSlice([
      '10.1.0.1 on:node-1 unready',
      '10.1.0.2 on:node-1 serving terminating',
      '10.1.0.3 on:node-1 terminating',
    ]),
  ],
  0,
);
test(
  'what terminates and is ready, where a Service publishes what is not ready',
  counts,
  [quizSlice(['10.1.0.1 on:node-1 ready serving terminating'])],
  1,
);
test(
  'an address that two slices have: the one that does not terminate decides',
  counts,
  [
    quizSlice(['10.1.0.1 on:node-1 ready terminating']),
    quizSlice(['10.1.0.1 on:node-1 unready', '10.1.0.2 on:node-1']),
  ],
  1,
);
test(
  'a port that the Service does not have',
  counts,
  [quizSlice(['10.1.0.1 on:node-1'], ['metrics/TCP:9100']), ...[]],
  1,
);
test('a slice without ports has no endpoints', counts, [quizSlice(['10.1.0.1 on:node-1'], [])], 0);
test(
  'each family by itself',
  counts,
  [
    quizSlice(['10.1.0.1 on:node-1', '10.1.0.2 on:node-1']),
    quizSlice(['fd01::1 on:node-1', 'fd01::2 on:node-2']),
  ],
  2,
  1,
);

test('a family that the Service does not have is not answered', (t) => {
  const all = [quizSlice(['10.1.0.1 on:node-1']), quizSlice(['fd01::1 on:node-1'])];
  const check = healthCheckOf(quiz(['fd00::1']), all, HERE);
  t.deepEqual([...(check?.localEndpoints ?? [])], [['IPv6', 1]]);
});

test('no port, no health check', (t) => {
  const { healthCheckNodePort: _, ...plain } = quiz();
  t.is(healthCheckOf(plain, [quizSlice(['10.1.0.1 on:node-1'])], HERE), undefined);
});

const listens = test.macro({
  exec(t, rule: NodePortAddresses, ipv4: readonly string[], ipv6: readonly string[]) {
    const facts = {
      nodePortAddresses: rule,
      nodeIPs: ['192.168.0.1', 'fd02::1'].map(address),
      localAddresses: new Set(
        ['192.168.0.1', '192.168.0.2', '203.0.113.1', 'fd02::1'].map(address),
      ),
    };
    t.deepEqual(healthCheckHosts(facts, 'IPv4'), ipv4.map(address));
    t.deepEqual(healthCheckHosts(facts, 'IPv6'), ipv6.map(address));
  },
  title: (what) => `answered: ${what}`,
});

test('everywhere by default', listens, [], ['0.0.0.0'], ['::']);
test(
  'everywhere by a prefix of everything',
  listens,
  prefixes('0.0.0.0/0', '::/0'),
  ['0.0.0.0'],
  ['::'],
);
test(
  'at addresses in a prefix; a family without one everywhere',
  listens,
  prefixes('192.168.0.0/24'),
  ['192.168.0.1', '192.168.0.2'],
  ['::'],
);
test(
  'at loopback when a prefix has it',
  listens,
  prefixes('127.0.0.0/8', '203.0.113.0/24', '::1/128'),
  ['203.0.113.1', '127.0.0.1'],
  ['::1'],
);
test('nowhere while no address is in the prefix', listens, prefixes('10.0.0.0/8'), [], ['::']);
test("at the node's own", listens, 'primary', ['192.168.0.1'], ['fd02::1']);
