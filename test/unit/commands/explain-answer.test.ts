// SPDX-License-Identifier: Apache-2.0
// What an answer says in words, and the fields that programs read.

import path from 'node:path';
import test from 'ava';
import { type Answer, answerOf } from '../../../agent/commands/explain-answer.ts';
import { parseQueryLine } from '../../../agent/commands/explain-query.ts';
import { type Facts, factsFromManifests } from '../../../agent/commands/explain-sources.ts';
import { answerLine, answerText } from '../../../agent/commands/explain-text.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { Explainer } from '../../../agent/model/explain.ts';
import { service, slice } from '../../helpers/objects.ts';

const MANIFEST = path.join(import.meta.dirname, 'explain-cluster.yaml');
const NO_OPTIONS = { nodeIp: [], clusterCidr: [], serviceCidr: [], nodeportAddresses: '' };

let facts: Facts;
let explainer: Explainer;
test.before(async () => {
  facts = await factsFromManifests(MANIFEST, NO_OPTIONS);
  explainer = new Explainer(facts.cluster, facts.node);
});

const answer = (query: string): Answer =>
  answerOf(explainer.explain(parseQueryLine(query)), facts.node);

const says = test.macro({
  exec(t, query: string, reason: string) {
    t.is(answer(query).reason, reason);
  },
  title: (_, query) => `why ${query}`,
});
const POD = '10.244.1.9';
test(
  says,
  `${POD} tcp/10.96.0.1:80`,
  'default/quote:http is served by 1 of 5 endpoints: 1 is terminating, 1 is hinted to zone-b, 1 is not ready, 1 no longer serves.',
);
test(
  says,
  'external tcp/198.51.100.2:80',
  'default/quote:http is served by 1 of 5 endpoints, since externalTrafficPolicy is Local: 1 is terminating, 3 are on node-2.',
);
test(
  says,
  `${POD} tcp/192.168.0.1:30081`,
  'default/kiada is served by all 3 endpoints, since externalTrafficPolicy Local does not bind clients inside the cluster.',
);
test(
  says,
  `${POD} tcp/10.96.0.6:80`,
  'default/leaving is served by its one endpoint, which is terminating, since none is ready.',
);
test(
  says,
  `${POD} tcp/10.96.0.2:80`,
  'Refused: no EndpointSlice of default/quiz has a TCP port named "http"; they have "web" (8080/TCP).',
);
test(
  says,
  `${POD} tcp/10.96.0.4:80`,
  'Refused: default/head has no EndpointSlice, so nothing serves it.',
);
test(
  says,
  `${POD} tcp/10.96.0.5:80`,
  'Refused: no endpoint of default/sick:http is ready, nor serving while it terminates.',
);
test(
  says,
  `${POD} tcp/10.96.0.3:80`,
  'Dropped: internalTrafficPolicy is Local and node-1 has no endpoint; node-3 has 2, node-2 has 1.',
);
test(
  says,
  '198.51.100.77 tcp/198.51.100.1:80',
  'Dropped: 198.51.100.77 is in none of the loadBalancerSourceRanges of default/quote: 203.0.113.0/24, 192.168.0.0/16.',
);
test(
  says,
  'external tcp/198.51.100.1:80',
  'Dropped: a client of which no address is known is in none of the loadBalancerSourceRanges of default/quote: 203.0.113.0/24, 192.168.0.0/16.',
);
test(
  says,
  `${POD} tcp/10.96.0.1:30080`,
  'Refused: 10.96.0.1 is the clusterIP of default/quote, which has no port 30080/TCP; it has 80/TCP, 53/UDP.',
);
test(
  says,
  `${POD} tcp/10.96.9.9:80`,
  'Dropped: 10.96.9.9 is in the ServiceCIDR 10.96.0.0/12, and no Service has it.',
);
test(
  says,
  `${POD} tcp/127.0.0.1:30080`,
  'Left alone: 127.0.0.1 is the client’s own loopback, where nothing is served.',
);
test(
  says,
  'external udp/198.51.100.1:80',
  'Left alone: 198.51.100.1 is an address of default/quote, but not with port 80/UDP; it has 80/TCP, 53/UDP.',
);
test(
  says,
  `${POD} tcp/192.168.0.2:30080`,
  'Left alone: 192.168.0.2 is not an address of node-1; the node that has it serves nodePort 30080/TCP of default/quote.',
);
test(
  says,
  'external udp/192.168.0.1:30080',
  'Left alone: 192.168.0.1 is node-1 itself, and 30080/UDP is no nodePort; but there is 30080/TCP.',
);
test(
  says,
  'host tcp/[::1]:30080',
  'Left alone: ::1 is node-1 itself, and 30080/TCP is no nodePort for IPv6, of which default/quote has no clusterIP.',
);
test(
  says,
  `${POD} tcp/10.244.2.2:8080`,
  'Left alone: 10.244.2.2 is an endpoint of default/quote, dialled without its Service.',
);
test(says, `${POD} tcp/192.0.2.1:80`, 'Left alone: no Service has 192.0.2.1.');
test(
  says,
  'fd00::1 tcp/10.96.0.6:80',
  'Left alone: fd00::1 cannot dial 10.96.0.6, which is of another family.',
);

const saysOfTheLeftOut = test.macro({
  async exec(t, query: string, reason: string) {
    const file = path.join(import.meta.dirname, 'explain-left-out.yaml');
    const { cluster, node } = await factsFromManifests(file, NO_OPTIONS);
    t.is(
      answerOf(new Explainer(cluster, node).explain(parseQueryLine(query)), node).reason,
      reason,
    );
  },
  title: (_, query) => `of what was left out, why ${query}`,
});
test('a Service that was left out was not deleted', async (t) => {
  const file = path.join(import.meta.dirname, 'explain-left-out.yaml');
  const { cluster, node } = await factsFromManifests(file, NO_OPTIONS);
  const query = parseQueryLine(`${POD} tcp/10.96.0.8:80`);
  const { hints } = answerOf(new Explainer(cluster, node).explain(query), node);
  t.is(hints.length, 1);
  t.regex(hints[0] ?? '', /^Left out of Service default\/texts: /);
});
test(
  saysOfTheLeftOut,
  `${POD} tcp/10.96.0.8:80`,
  'Dropped: 10.96.0.8 is in the ServiceCIDR 10.96.0.0/12, and what names it was left out: Service default/texts.',
);
test(
  saysOfTheLeftOut,
  `${POD} tcp/10.96.0.9:80`,
  'Dropped: 10.96.0.9 is in the ServiceCIDR 10.96.0.0/12, and default/bare, which has it, has no ports.',
);
test(
  saysOfTheLeftOut,
  `${POD} tcp/10.96.1.1:81`,
  'Dropped: 10.96.1.1 is in the ServiceCIDR 10.96.0.0/12, and no clusterIP; default/named names it, but not with port 81/TCP; it has 80/TCP.',
);
test(
  saysOfTheLeftOut,
  `${POD} tcp/192.0.2.10:80`,
  'Left alone: 192.0.2.10 is named by what was left out, Service default/far.',
);
test(
  saysOfTheLeftOut,
  `${POD} tcp/192.0.2.9:80`,
  'Left alone: 192.0.2.9 is an address of default/bare, which has no ports.',
);

test('the fields of an answer', (t) => {
  t.deepEqual(answer('host tcp/10.96.0.1:80'), {
    from: 'host',
    origin: 'host',
    to: 'tcp/10.96.0.1:80',
    verdict: 'forward',
    service: 'default/quote',
    servicePort: 'http',
    frontend: { kind: 'clusterIP', address: '10.96.0.1', port: 80, protocol: 'TCP' },
    policy: 'Cluster',
    shortCircuit: false,
    topology: 'zone',
    balancing: { type: 'random', slots: 1 },
    backends: [
      {
        address: '10.244.1.2',
        port: 8080,
        node: 'node-1',
        zone: 'zone-a',
        local: true,
        weight: 1,
        sees: 'client',
      },
    ],
    excluded: [
      { address: '10.244.1.4', port: 8080, reason: 'terminating, and others are ready' },
      {
        address: '10.244.2.2',
        port: 8080,
        reason: 'hinted to zone-b, this node is in zone-a',
      },
      { address: '10.244.2.3', port: 8080, reason: 'not ready' },
      { address: '10.244.2.5', port: 8080, reason: 'terminating, and no longer serving' },
    ],
    snat: true,
    affinity: { type: 'ClientIP', timeoutSeconds: 10800 },
    reason: answer(`${POD} tcp/10.96.0.1:80`).reason,
    codes: ['served', 'zone-hints', 'snat-not-a-pod', 'also-claimed'],
    hints: ['default/thief asks for it too, and does not get it.'],
  } as unknown as Answer);
});

test('what keeps out a client that the policy does not bind goes by every node’s endpoints', (t) => {
  const { verdict, excluded } = answer(`${POD} tcp/198.51.100.1:80`);
  t.is(verdict, 'drop');
  t.is(excluded[0]?.reason, 'terminating, and others are ready');
});

test('what is not known or not so is null', (t) => {
  const { service, servicePort, frontend, policy, affinity } = answer('host tcp/192.0.2.1:80');
  t.deepEqual([service, servicePort, frontend, policy, affinity], [null, null, null, null, null]);
  const closed = answer('host tcp/10.96.0.1:81');
  t.deepEqual(
    [closed.service, closed.servicePort, closed.frontend, closed.policy],
    ['default/quote', null, null, null],
  );
  t.deepEqual(answer(`${POD} tcp/10.96.0.6:80`).servicePort, '');
  t.like(answer(`${POD} tcp/192.168.0.1:30081`).backends[0], { node: 'node-2', zone: null });
});

const hints = test.macro({
  exec(t, query: string, expected: readonly RegExp[]) {
    const { hints } = answer(query);
    t.is(hints.length, expected.length, hints.join('\n'));
    for (const [i, hint] of hints.entries()) t.regex(hint, expected[i] as RegExp);
  },
  title: (_, query) => `what to do about ${query}`,
});
test(hints, `${POD} tcp/10.96.0.2:80`, [/the same name/, /kubectl get endpointslices/]);
test(hints, `${POD} tcp/10.96.0.5:80`, [/kubectl describe pods -n default/]);
test(hints, `${POD} tcp/10.96.0.4:80`, [
  /Does its selector match pods/,
  /kubectl get endpointslices -n default -l kubernetes.io\/service-name=head/,
  /EndpointSlice default\/head-1: belongs to a headless Service/,
]);
test(hints, `${POD} tcp/10.96.0.3:80`, [/Put a pod of default\/kiada on node-1/]);
test(hints, 'external tcp/198.51.100.1:80', [/loadBalancerSourceRanges of default\/quote/]);
test(hints, `${POD} tcp/10.96.0.1:30080`, [/its nodePort: dial it on an address of a node/]);
test(hints, `${POD} tcp/10.96.0.1:8080`, [/the port of its endpoints: dial 80/]);
test(hints, `${POD} tcp/10.96.9.9:80`, [/A Service that was deleted\?/]);
test(hints, 'external tcp/192.168.0.2:30080', []);
test('a node of which no address is known is no reason to look elsewhere', (t) => {
  const node = { ...facts.node, localAddresses: new Set<never>() };
  const query = parseQueryLine('external tcp/192.168.0.2:30080');
  const { hints } = answerOf(new Explainer(facts.cluster, node).explain(query), node);
  t.deepEqual(hints, ['No IPv4 address of node-1 is known: is that one of them (--node-ip)?']);
});
test(hints, 'fd00::1 tcp/10.96.0.6:80', [/Ask for the client’s IPv4 address/]);
test(hints, `${POD} tcp/10.96.0.7:80`, [
  /Does its selector/,
  /kubectl/,
  /Service default\/thief: .*198.51.100.999/,
]);

const plain = (_: string, text: string) => text;

test('for a person', (t) => {
  t.is(
    answerText(answer('external tcp/192.168.0.1:30080'), plain),
    `FORWARD  external -> tcp/192.168.0.1:30080: goes to one backend

From       outside of the cluster
Service    default/quote, port http
Frontend   nodePort 192.168.0.1:30080/TCP
Policy     externalTrafficPolicy Local
Affinity   ClientIP, for 10800 s
Balancing  at random
SNAT       no, the backend sees the client’s own address

BACKEND           NODE     ZONE     LOCAL
10.244.1.2:8080   node-1   zone-a   yes

LEFT OUT          WHY
10.244.1.4:8080   terminating, and others on this node are ready
10.244.2.2:8080   on node-2, and externalTrafficPolicy is Local
10.244.2.3:8080   on node-2, and externalTrafficPolicy is Local
10.244.2.5:8080   on node-2, and externalTrafficPolicy is Local

default/quote:http is served by 1 of 5 endpoints, since externalTrafficPolicy is Local: 1 is terminating, 3 are on node-2.`,
  );
  t.is(
    answerText(answer(`${POD} tcp/10.96.0.1:30080`), plain),
    `REJECT  10.244.1.9 -> tcp/10.96.0.1:30080: connection refused

From       10.244.1.9, a pod
Service    default/quote

Refused: 10.96.0.1 is the clusterIP of default/quote, which has no port 30080/TCP; it has 80/TCP, 53/UDP.
  -> 30080 is its nodePort: dial it on an address of a node.`,
  );
});

test('a drop is an error at a socket here, and silence outside', (t) => {
  t.regex(answerText(answer(`${POD} tcp/10.96.0.3:80`), plain), /^DROP {2}.*: no route to host\n/);
  t.regex(answerText(answer('external tcp/192.168.0.1:30081'), plain), /^DROP {2}.*: no answer\n/);
});

test('whose address a backend sees depends on how the client comes', (t) => {
  const line = (query: string) => answerText(answer(query), plain).match(/^SNAT +(.*)$/m)?.[1];
  const why = 'traffic to a clusterIP, and the client is no pod';
  const replaced = `kube-proxy would replace it: ${why}`;
  t.is(
    line('host tcp/10.96.0.1:80'),
    `no, a socket on this node keeps its own address; ${replaced}`,
  );
  const own = 'no, the backend sees the client’s own address';
  t.is(line('external tcp/10.96.0.1:80'), `${own}; ${replaced}`);
  t.is(line(`${POD} tcp/10.96.0.1:80`), own);
});

/** One Service with a nodePort, of endpoints with weights: `10.244.1.2 on:node-1 7`. */
function answered(query: string, balancing: 'random' | 'maglev', ...endpoints: string[]): Answer {
  const cluster = new ClusterState();
  const spec = service('a/web', ['10.96.7.1'], ['TCP:80 30070'], undefined, { balancing });
  cluster.upsertService('a/web', { spec });
  for (const [i, text] of endpoints.entries()) {
    const [, endpoint = '', weight] = text.match(/^(.*) (\d+)$/) ?? [];
    const of = slice(`a/web-${i}`, 'web', ['TCP:8080'], [endpoint]);
    cluster.upsertEndpointSlice(`a/web-${i}`, { spec: { ...of, weight: Number(weight) } });
  }
  return answerOf(new Explainer(cluster, facts.node).explain(parseQueryLine(query)), facts.node);
}
const [HERE, THERE] = ['10.244.1.2 on:node-1', '10.244.2.2 on:node-2'];
const OUTSIDE = 'external tcp/192.168.0.1:30070';

test('a client outside keeps its address on the way to a backend of this node', (t) => {
  const line = (...endpoints: string[]) =>
    answerText(answered(OUTSIDE, 'random', ...endpoints), plain).match(/^SNAT +(.*)$/m)?.[1];
  const rule = '; kube-proxy would replace it: externalTrafficPolicy is Cluster';
  t.is(line(`${HERE} 1`), `no, the backend sees the client’s own address${rule}`);
  t.is(line(`${THERE} 1`), 'yes, the backend sees an address of this node');
  t.is(
    line(`${HERE} 1`, `${THERE} 1`),
    `a backend on this node sees the client’s own address, another one an address of this node${rule}`,
  );
  const itself = answered('10.250.0.9 tcp/10.96.7.1:80', 'random', '10.250.0.9 on:node-1 1');
  t.is(itself.backends[0]?.sees, 'node');
});

test('how a backend is picked', (t) => {
  const told = (query: string, balancing: 'random' | 'maglev', ...endpoints: string[]) => {
    const text = answerText(answered(query, balancing, ...endpoints), plain);
    return [text.match(/^Balancing +(.*)$/m)?.[1], /WEIGHT/.test(text)];
  };
  const inside = `${POD} tcp/10.96.7.1:80`;
  const maglev = 'Maglev, by the hash of the connection in a table of 251 places';
  t.deepEqual(told(OUTSIDE, 'random', `${HERE} 4`, `${THERE} 4`), ['at random', false]);
  t.deepEqual(told(inside, 'random', `${HERE} 4`, `${THERE} 1`), ['at random, by weight', true]);
  t.deepEqual(told(OUTSIDE, 'maglev', `${HERE} 4`, `${THERE} 1`), [maglev, true]);
  t.deepEqual(told(OUTSIDE, 'maglev', `${HERE} 1`), ['Maglev, of one backend', false]);
  t.deepEqual(told(inside, 'maglev', `${HERE} 1`, `${THERE} 1`), [
    'at random: Maglev is for packets from outside',
    false,
  ]);
  t.deepEqual(answered(OUTSIDE, 'maglev', `${HERE} 4`, `${THERE} 1`).balancing, {
    type: 'maglev',
    slots: 251,
  });
  t.is(answered('external tcp/192.0.2.99:80', 'maglev').balancing, null);
});

test('what is in no CIDR may be a pod all the same', (t) => {
  t.regex(
    answerText(answer('10.244.2.2 tcp/10.96.0.1:80'), plain),
    /^From +10\.244\.2\.2, from outside: no address of this node, and in no pod CIDR$/m,
  );
});

test('long tables are cut', (t) => {
  const one = answer(`${POD} tcp/10.96.0.1:80`);
  const [backend] = one.backends;
  const many = { ...one, backends: Array.from({ length: 17 }, () => backend) } as Answer;
  const text = answerText(many, plain);
  t.true(text.includes('\n... and 2 more (-o json has them)\n'));
  t.is(text.split('10.244.1.2:8080').length - 1, 15);
});

test('what the kernel does is told only when somebody looked', (t) => {
  const one = answer(`${POD} tcp/10.96.0.1:80`);
  const held = { differences: [], verdict: 'pass', service: null, backends: [] };
  const kernel = { agrees: true, hasProgram: true, ...held };
  const other = { ...kernel, agrees: false, differences: ['its verdict is pass, not forward'] };
  t.false(answerText(one, plain).includes('Kernel'));
  t.true(answerText({ ...one, kernel } as Answer, plain).includes('\nKernel     does the same\n'));
  const unread = answerText({ ...one, kernel: { ...kernel, hasProgram: false } } as Answer, plain);
  t.regex(unread, /^Kernel +holds the same, but no program acts/m);
  const text = answerText({ ...one, kernel: other } as Answer, plain);
  t.true(text.includes('does otherwise'));
  t.true(text.includes('\n           its verdict is pass, not forward\n'));
  t.true(
    answerLine({ ...one, kernel: other } as Answer, plain).endsWith(
      ' Kernel: its verdict is pass, not forward.',
    ),
  );
});
