// SPDX-License-Identifier: Apache-2.0
// Connections are counted once, in whichever halves they lie in the table; ports are counted where they are scarce.

import test from 'ava';
import { FlowCensus } from '../../../agent/plan/flow-census.ts';
import { FlowFlags } from '../../../agent/sys/layout.gen.ts';
import { type FlowText, flowEntries } from '../../helpers/flows.ts';

const FLOW = {
  client: '192.0.2.9 40000',
  dialled: '192.168.0.1 30080',
  backend: '10.244.1.7 8080',
  servicePortId: 1,
  usedNs: 0n,
};

function totalsOf(...flows: readonly FlowText[]) {
  const census = new FlowCensus();
  for (const [key, value] of flows.flatMap(flowEntries)) census.add(key, value);
  return census.totals();
}

test('an empty table', (t) => {
  t.deepEqual(totalsOf(), { entries: 0, flows: [], masqueradePortsInUse: 0 });
});

test('connections by protocol and state', (t) => {
  const { CONFIRMED, RESET } = FlowFlags;
  const totals = totalsOf(
    FLOW,
    { ...FLOW, client: '192.0.2.9 40001', flags: CONFIRMED },
    { ...FLOW, client: '192.0.2.9 40002', flags: CONFIRMED },
    { ...FLOW, client: '192.0.2.9 40003', flags: RESET },
    { ...FLOW, protocol: 'UDP', flags: CONFIRMED },
    { ...FLOW, protocol: 'SCTP' },
  );
  t.deepEqual(totals, {
    entries: 12,
    flows: [
      { protocol: 'SCTP', state: 'unanswered', flows: 1 },
      { protocol: 'TCP', state: 'closed', flows: 1 },
      { protocol: 'TCP', state: 'established', flows: 2 },
      { protocol: 'TCP', state: 'opening', flows: 1 },
      { protocol: 'UDP', state: 'answered', flows: 1 },
    ],
    masqueradePortsInUse: 0,
  });
});

test('a half that the stack forwards in between is an entry, and no connection', (t) => {
  const totals = totalsOf({ ...FLOW, flags: FlowFlags.FORWARDED, seenAs: '192.168.0.1 61000' });
  t.deepEqual(totals, { entries: 2, flows: [], masqueradePortsInUse: 0 });
});

test('ports count towards one backend, of one address and protocol', (t) => {
  const masqueraded = (client: string, seenAs: string, more: Partial<FlowText> = {}) => ({
    ...FLOW,
    client,
    seenAs,
    ...more,
  });
  const totals = totalsOf(
    FLOW,
    masqueraded('192.0.2.1 1', '192.168.0.1 61000'),
    masqueraded('192.0.2.1 2', '192.168.0.1 61001'),
    masqueraded('192.0.2.1 3', '192.168.0.1 61002'),
    masqueraded('192.0.2.1 4', '192.168.0.1 61000', { backend: '10.244.1.7 8081' }),
    masqueraded('192.0.2.1 5', '192.168.0.2 61000'),
    masqueraded('192.0.2.1 6', '192.168.0.1 61000', { protocol: 'UDP' }),
  );
  t.is(totals.masqueradePortsInUse, 3);
});
