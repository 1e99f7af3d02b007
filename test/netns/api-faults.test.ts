// SPDX-License-Identifier: Apache-2.0
// The agent and an API server that is gone, slow, refuses, stammers, lies or never ends: clients dial all the while, the
// last known state stays, and what has changed meanwhile is found when the server is well again.

import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type FaultFigures, faultTest } from '../faults/fault-test.ts';
import type { FaultId } from '../faults/registry.ts';
import {
  drip,
  endlessLine,
  endlessList,
  expiringPage,
  garbage,
  halfLine,
  refuse,
  refuseInTurn,
  Stammer,
} from '../lab/api-faults.ts';
import { until } from '../lab/until.ts';
import { CLIENTS, FaultyApi, isAny, isList, isWatch, KINDS } from './faulty-api.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

let faulty: FaultyApi | undefined;
let probe: SocketProbe;

nodeForFile(test, async (made) => {
  await startBackends(made);
  faulty = await FaultyApi.start(made);
  probe = await SocketProbe.start(made);
});

test.after.always(() => faulty?.close());

function api(): FaultyApi {
  if (!faulty) throw new Error('there is no API server');
  return faulty;
}

type Body = (t: ExecutionContext) => Promise<FaultFigures>;

/** Clients dial all the while, and none may fail. */
function apiFault(id: FaultId, body: Body, variant = 'the real agent'): void {
  const run = async (t: ExecutionContext, report: (figures: FaultFigures) => void) => {
    if (!canMakeNodes(t)) return;
    await api().newAgent();
    await api().change('web')();
    const dialling = probe.repeat(CLIENTS, { timeoutMs: 120_000, pauseUs: 2000 });
    let figures: FaultFigures = {};
    try {
      figures = await body(t);
      await until('all is well', async () => (await api().status()).healthy, 60_000);
    } finally {
      probe.stop();
    }
    const attempts = await dialling;
    const failed = attempts.filter(({ landed }) => !landed.includes(':'));
    report({ ...figures, attempts: attempts.length, failed: failed.length });
    t.true(attempts.length > 0);
    t.deepEqual(failed, []);
  };
  faultTest(test, id, run, variant);
}

apiFault('api-gone', async (t) => {
  await api().addExtra();
  const before = api().frontends();
  const passes = api().writingPasses;
  api().goDown();
  const changed = api().change('web');
  api().removeExtra();
  await sleep(2000);
  t.deepEqual(api().frontends(), before);
  t.is(api().writingPasses, passes, 'no write');
  api().comeBack();
  const repairMs = await api().repaired(changed);
  await api().extraIsGone();
  return { injections: 1, repairMs };
});

apiFault('api-slow', async (t) => {
  await api().addExtra();
  const from = api().proxy.requests.length;
  let repairMs = 0;
  await api().under(drip(8, 1), isAny, async () => {
    api().server.compact();
    api().removeExtra();
    const changed = api().change('web');
    const begunMs = performance.now();
    await until('a list in drops', () => api().lists(from) > 0);
    t.true(api().hasExtra, 'not before the list is complete');
    await changed();
    await api().extraIsGone();
    repairMs = Math.round(performance.now() - begunMs);
  });
  api().proxy.hangUp();
  return { injections: 1, repairMs };
});

apiFault('api-restart', async (t) => {
  const from = api().proxy.requests.length;
  let repairMs = 0;
  for (let i = 0; i < 5; i++) {
    api().server.disconnectWatches();
    repairMs = Math.max(repairMs, await api().repaired());
  }
  t.is(api().lists(from), 0);
  return { injections: 5, repairMs };
});

apiFault('api-410', async (t) => {
  const { proxy, server } = api();
  let lists = 0;
  let repairMs = 0;
  for (const form of ['event', 'status', 'page'] as const) {
    // Not let down yet, and, as it comes back, behind.
    await api().newAgent();
    const from = proxy.requests.length;
    api().goDown();
    const changed = api().change('web');
    api().touchMarker();
    server.compact(form === 'status' ? 'status' : 'event');
    const begunMs = performance.now();
    const stop = form === 'page' ? proxy.inject(expiringPage, isList) : () => {};
    api().comeBack();
    if (form === 'page') {
      await until('a page has expired', () => api().lists(from) >= 2);
      stop();
    }
    await changed();
    repairMs = Math.max(repairMs, Math.round(performance.now() - begunMs));
    lists += api().lists(from);
  }
  const note = `${lists} lists, pages that expired among them, of ${3 * KINDS} watches`;
  t.true(lists <= 6 * KINDS, note);
  return { injections: 3, repairMs, note };
});

apiFault('api-429', async (t) => {
  const from = api().proxy.requests.length;
  await api().under(refuse(429, { 'Retry-After': '2' }), isAny, async () => {
    await sleep(1900);
    t.true(api().requests(from).length <= KINDS, 'each has asked once, and then left it alone');
  });
  return { injections: api().requests(from).length, repairMs: await api().repaired() };
});

apiFault('api-5xx', async (t) => {
  const from = api().proxy.requests.length;
  const begunMs = performance.now();
  await api().under(refuseInTurn([500, 502, 503, 504]), isAny, () => sleep(2000));
  const asked = api().requests(from);
  t.true(asked.length <= 6 * KINDS, `${asked.length} requests`);
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(1);
  const note = `${asked.length} requests of ${KINDS} watches in ${seconds} s`;
  return { injections: asked.length, repairMs: await api().repaired(), note };
});

for (const [variant, fault] of [
  ['half a line', halfLine],
  ['garbage', garbage],
] as const) {
  apiFault(
    'api-half-line',
    async (t) => {
      const from = api().proxy.requests.length;
      await api().under(fault, isWatch, () => sleep(2000));
      const asked = api().requests(from).length;
      t.true(asked >= KINDS && asked <= 12 * KINDS, `${asked} requests`);
      const note = `${asked} requests, ${api().lists(from)} of them lists, of ${KINDS} watches in 2 s`;
      return { injections: asked - api().lists(from), repairMs: await api().repaired(), note };
    },
    `${variant}, the real agent`,
  );
}

for (const [id, which] of [
  ['api-twice', 'the last'],
  ['api-old-object', 'all'],
] as const) {
  apiFault(id, async (t) => {
    const stammer = new Stammer(which, 20);
    await api().under(stammer.fault, isWatch, async () => {
      await api().change('web')();
      await api().change('web')();
      await api().addExtra();
      api().removeExtra();
      await api().extraIsGone();
      const before = api().frontends();
      const passes = api().writingPasses;
      const from = stammer.repeated;
      await until('it has all been said again', () => stammer.repeated > from + 100);
      // Behind all that has been said again.
      await api().changeMarkerSlice();
      await until('it is told', () => api().writingPasses > passes);
      t.is(api().writingPasses, passes + 1, 'no write but for the marker');
      t.deepEqual(api().frontends(), before);
    });
    api().proxy.hangUp();
    return { injections: stammer.repeated, repairMs: await api().repaired() };
  });
}

apiFault('api-deleted-while-away', async (t) => {
  await api().addExtra();
  const { proxy, server } = api();
  api().goDown();
  api().removeExtra();
  server.compact();
  await sleep(500);
  // Lists are begun, and none is complete.
  const stop = proxy.inject(() => {}, isList);
  api().comeBack();
  await sleep(500);
  t.true(api().hasExtra, 'not before a complete list');
  stop();
  proxy.hangUp();
  const repairMs = await api().repaired(() => api().extraIsGone());
  return { injections: 1, repairMs };
});

for (const [variant, fault, only, said] of [
  ['a list', endlessList, isList, /the list has no end/],
  ['a line', endlessLine, isWatch, /a watch event is of more than/],
] as const) {
  apiFault(
    'api-endless',
    async (t) => {
      const { proxy, server } = api();
      const from = proxy.requests.length;
      const before = api().peakMiB;
      if (fault === endlessList) {
        api().goDown();
        api().change('web');
        api().touchMarker();
        server.compact();
      }
      await api().under(fault, only, async () => {
        api().comeBack();
        await until('it is told', () => api().hasFailed(said));
        await sleep(500);
      });
      const grownMiB = Math.round(api().peakMiB - before);
      t.true(grownMiB < 300, `${grownMiB} MiB`);
      const repairMs = await api().repaired();
      const note = `${api().requests(from).length} requests, ${grownMiB} MiB more at the peak`;
      return { injections: 1, repairMs, note };
    },
    `${variant}, the real agent`,
  );
}
