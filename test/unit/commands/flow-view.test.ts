// SPDX-License-Identifier: Apache-2.0
// What `signalbox flows` makes of the table's entries.

import test from 'ava';
import {
  FLOW_HEADS,
  type FlowFilter,
  flowCells,
  flowCountLine,
  flowJson,
  listFlows,
} from '../../../agent/commands/flow-view.ts';
import { formatTable } from '../../../agent/commands/table.ts';
import type { ServicePort } from '../../../agent/model/service-port.ts';
import { FlowFlags } from '../../../agent/sys/layout.gen.ts';
import { type FlowEntry, type FlowText, flowEntries } from '../../helpers/flows.ts';
import { address } from '../../helpers/objects.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_000_000n * SECOND;
const { CONFIRMED, REQUEST_FIN, FORWARDED } = FlowFlags;

const NAMES: Readonly<Record<number, ServicePort>> = {
  1: { service: 'default/quote', portName: 'http', protocol: 'TCP' },
  2: { service: 'kube-system/dns', portName: '', protocol: 'UDP' },
};

const WEB = {
  client: '192.0.2.9 40000',
  dialled: '192.168.0.1 30080',
  backend: '10.244.1.7 8080',
  servicePortId: 1,
  usedNs: NOW - 5n * SECOND,
};
const MASQUERADED = {
  ...WEB,
  client: '192.0.2.9 5000',
  backend: '10.244.2.7 8080',
  seenAs: '192.168.0.1 61000',
  flags: CONFIRMED,
  usedNs: NOW - 3661n * SECOND,
};
const DNS = {
  protocol: 'UDP' as const,
  client: '2001:db8::9 4000',
  dialled: '2001:db8:1::1 53',
  backend: 'fd00::7 53',
  seenAs: '2001:db8::9 4001',
  servicePortId: 2,
  flags: CONFIRMED,
  usedNs: NOW,
};

function list(entries: readonly FlowEntry[], filter?: FlowFilter) {
  return listFlows([entries.slice(0, 1), entries.slice(1)], (id) => NAMES[id], NOW, filter);
}

const all = (...flows: readonly FlowText[]) => flows.flatMap(flowEntries);
const rows = (entries: readonly FlowEntry[], filter?: FlowFilter) =>
  list(entries, filter).flows.map((flow) => flowCells(flow).join(' '));

test('a line for each connection, by Service and client', (t) => {
  const { flows } = list(all(DNS, WEB, MASQUERADED));
  t.is(
    formatTable(FLOW_HEADS, flows.map(flowCells)),
    [
      'SERVICE PORT         PROTOCOL   CLIENT               DIALLED              BACKEND           SEEN AS              STATE         IDLE',
      'default/quote:http   TCP        192.0.2.9:5000       192.168.0.1:30080    10.244.2.7:8080   192.168.0.1:61000    established   1h1m',
      'default/quote:http   TCP        192.0.2.9:40000      192.168.0.1:30080    10.244.1.7:8080   -                    opening       5s',
      'kube-system/dns      UDP        [2001:db8::9]:4000   [2001:db8:1::1]:53   [fd00::7]:53      [2001:db8::9]:4001   answered      0s',
    ].join('\n'),
  );
});

test('both entries are one flow, whichever comes first and knows more', (t) => {
  const [request, reply] = flowEntries({ ...WEB, flags: CONFIRMED });
  const older = { ...request[1], flags: FlowFlags.REQUEST, lastUsedNs: 0n };
  const cells = [
    'default/quote:http TCP 192.0.2.9:40000 192.168.0.1:30080 10.244.1.7:8080 - established 5s',
  ];
  t.deepEqual(rows([[request[0], older], reply]), cells);
  t.deepEqual(rows([reply, [request[0], older]]), cells);
});

test('a flow of one entry is told', (t) => {
  const [request, reply] = flowEntries(MASQUERADED);
  const line = (note: string) =>
    `default/quote:http TCP 192.0.2.9:5000 192.168.0.1:30080 10.244.2.7:8080 192.168.0.1:61000 established (${note}) 1h1m`;
  t.deepEqual(rows([request]), [line('request only')]);
  t.deepEqual(rows([reply]), [line('reply only')]);
});

test('halves of different flows are not put together', (t) => {
  const [request] = flowEntries(WEB);
  const [, reply] = flowEntries({ ...WEB, backend: '10.244.1.8 8080' });
  t.deepEqual(
    list([request, reply]).flows.map(({ backend, entries }) => [backend.address, entries]),
    [
      ['10.244.1.7', ['request']],
      ['10.244.1.8', ['reply']],
    ] as unknown as ReturnType<typeof list>['flows'][number][],
  );
});

test('what is over and not yet swept is told', (t) => {
  const [line] = rows(all({ ...WEB, usedNs: NOW - 61n * SECOND }));
  t.true(line?.endsWith('opening (over) 1m1s'), line);
});

test('halves that the stack forwards in between are no flows, but entries', (t) => {
  const made = list([...all(WEB), ...all({ ...MASQUERADED, flags: FORWARDED })]);
  t.is(made.flows.length, 1);
  t.is(made.entries, 4);
});

test('a connection to no Service, and one whose id has no name', (t) => {
  t.regex(rows(all({ ...WEB, servicePortId: 0 }))[0] ?? '', /^- TCP /);
  t.regex(rows(all({ ...WEB, servicePortId: 77 }))[0] ?? '', /^id 77 TCP /);
});

const selects = test.macro({
  exec(t, filter: FlowFilter, clients: readonly number[]) {
    const closing = { ...WEB, client: '192.0.2.10 40001', flags: CONFIRMED | REQUEST_FIN };
    const made = list(all(WEB, MASQUERADED, DNS, closing), filter);
    t.deepEqual(
      made.flows.map(({ client }) => client.port),
      clients,
    );
    t.is(made.entries, 8);
  },
  title: (_, filter) => `only ${JSON.stringify(filter)}`,
});
test(selects, {}, [40001, 5000, 40000, 4000]);
test(selects, { service: 'quote' }, [40001, 5000, 40000]);
test(selects, { service: 'default/quote' }, [40001, 5000, 40000]);
test(selects, { service: 'default/dns' }, []);
test(selects, { client: address('192.0.2.9') }, [5000, 40000]);
test(selects, { client: address('2001:db8::9') }, [4000]);
test(selects, { backend: address('10.244.1.7') }, [40001, 40000]);
test(selects, { state: 'closing' }, [40001]);
test(selects, { state: 'established' }, [5000]);
test(selects, { service: 'quote', client: address('192.0.2.9'), state: 'opening' }, [40000]);

test('a state is that of both halves', (t) => {
  const [request, reply] = flowEntries({ ...WEB, flags: CONFIRMED });
  const older: FlowEntry = [request[0], { ...request[1], flags: FlowFlags.REQUEST }];
  t.is(list([older, reply], { state: 'opening' }).flows.length, 0);
  t.is(list([older, reply], { state: 'established' }).flows.length, 1);
});

test('the fields of a flow', (t) => {
  const [dns] = list(all(DNS)).flows;
  t.truthy(dns);
  if (!dns) return;
  t.deepEqual(flowJson(dns) as unknown, {
    service: 'kube-system/dns',
    servicePort: '',
    servicePortId: 2,
    protocol: 'UDP',
    client: { address: '2001:db8::9', port: 4000 },
    dialled: { address: '2001:db8:1::1', port: 53 },
    backend: { address: 'fd00::7', port: 53 },
    seenAs: { address: '2001:db8::9', port: 4001 },
    state: 'answered',
    entries: ['request', 'reply'],
    isMasqueraded: false,
    idleSeconds: 0,
    expiresInSeconds: 120,
  });
});

test('the last line', (t) => {
  t.is(flowCountLine(list(all(WEB)), 131_072), '1 flow; 2 of 131072 entries in use');
  t.is(flowCountLine(list([]), 131_072), '0 flows; 0 of 131072 entries in use');
});
