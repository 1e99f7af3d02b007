// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import {
  countForeign,
  type ForeignConnections,
  type ForeignQuestion,
  type ForeignTables,
  isPlaceholder,
  pairText,
  placeholderFlow,
} from '../../../agent/reconcile/foreign-connections.ts';
import type { ConntrackEntry } from '../../../agent/sys/conntrack-messages.ts';
import { FrontendScope, type FrontendValue } from '../../../agent/sys/layout.gen.ts';
import { address } from '../../helpers/objects.ts';

const at = (text: string, port: number) => ({ address: address(text), port });
const CLIENT = at('10.244.1.9', 40_000);
const CLUSTER_IP = at('10.96.0.10', 53);
const NODE = at('192.0.2.11', 30_053);
const BACKEND = at('10.244.2.2', 5353);
const GONE = at('10.244.2.3', 5353);

/** Service port 7: UDP and TCP, by its clusterIP and a nodePort; BACKEND serves. */
const TABLES: ForeignTables = {
  frontends: {
    get: ({ address: ip, port, scope }) => {
      const isOurs =
        scope === FrontendScope.AT_ADDRESS
          ? ip === CLUSTER_IP.address && port === CLUSTER_IP.port
          : scope === FrontendScope.AT_NODE && ip === '0.0.0.0' && port === NODE.port;
      return isOurs ? ({ servicePortId: 7 } as FrontendValue) : undefined;
    },
  },
  members: {
    get: ({ servicePortId, backend }) =>
      servicePortId === 7 && backend.address === BACKEND.address ? {} : undefined,
  },
  nodePortAddresses: { get: ({ address: ip }) => (ip === NODE.address ? {} : undefined) },
};

function entry(
  protocol: number,
  dialled: typeof CLIENT,
  { source = BACKEND, seenAs = CLIENT, hasEnded = false } = {},
): ConntrackEntry {
  return {
    original: { protocol, source: CLIENT, destination: dialled },
    reply: { protocol, source, destination: seenAs },
    id: 1,
    hasEnded,
  };
}

function count(entries: readonly ConntrackEntry[], question?: ForeignQuestion): ForeignConnections {
  const work = countForeign([entries], TABLES, question);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

test('counted is what leads to our frontends, and goes on', (t) => {
  const { counts, total, families } = count([
    entry(6, CLUSTER_IP),
    entry(6, CLUSTER_IP, { hasEnded: true }),
    entry(17, CLUSTER_IP),
    entry(6, NODE),
    entry(6, at('127.0.0.1', NODE.port)),
    // Of nobody's, as a hostPort, and of another node's nodePort.
    entry(6, at('192.0.2.11', 8080)),
    entry(6, at('192.0.2.12', NODE.port)),
  ]);
  t.deepEqual(counts, { TCP: 3, UDP: 1 });
  t.is(total, 4);
  t.deepEqual([...families], ['IPv4']);
});

test('UDP to a backend that no longer serves is stale, TCP never', (t) => {
  const stale = entry(17, CLUSTER_IP, { source: GONE });
  t.deepEqual(count([stale, entry(17, CLUSTER_IP), entry(6, CLUSTER_IP, { source: GONE })]).stale, [
    stale,
  ]);
});

test('pairs are served when their backend serves', (t) => {
  const pair = pairText(CLIENT, CLUSTER_IP);
  const pairs = new Set([pair]);
  t.deepEqual([...count([entry(17, CLUSTER_IP)], { pairs }).served], [pair]);
  t.deepEqual([...count([entry(17, CLUSTER_IP, { source: GONE })], { pairs }).served], []);
  t.deepEqual([...count([entry(17, CLUSTER_IP)]).served], []);
});

test('told are replies to ports that may be those of our flows', (t) => {
  const isMasqueradePort = (port: number) => port >= 49_152;
  const masqueraded = entry(6, NODE, { seenAs: at('192.0.2.11', 50_000) });
  const { masqueraded: told } = count(
    [
      masqueraded,
      entry(6, NODE, { seenAs: at('192.0.2.11', 1024) }),
      // The client's own.
      entry(6, CLUSTER_IP),
      entry(17, NODE, { seenAs: at('192.0.2.11', 50_000) }),
    ],
    { isMasqueradePort },
  );
  t.deepEqual(told, [masqueraded.reply]);
});

test('a placeholder changes nothing in a packet, and is known again', (t) => {
  const { reply } = entry(6, NODE, { seenAs: at('192.0.2.11', 50_000) });
  const [key, value] = placeholderFlow(reply, 5n);
  t.deepEqual([value.source, value.destination], [key.source, key.destination]);
  t.true(isPlaceholder(key, value));
  t.false(isPlaceholder(key, { ...value, destination: CLIENT }));
});
