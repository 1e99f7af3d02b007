// SPDX-License-Identifier: Apache-2.0
// The agent and an API server that is gone, slow, refuses, stammers, lies or never ends: clients dial all the while, the
// last known state stays, and what has changed meanwhile is found when the server is well again.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
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
import type { Exchange, Fault } from '../lab/faulty-proxy.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { until } from '../lab/until.ts';
import { kernelFrontends, programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { type ProxiedApiServer, serveProxiedApi } from './node-api-server.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const MARKER = '10.96.0.2';
const EXTRA = '10.96.0.3';
const KINDS = 4;
const CLIENTS: readonly Target[] = (['tcp', 'udp', 'sendto', 'kept'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
}));
const OF_PATH: Readonly<Record<string, string>> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
  '/api/v1/nodes': 'Node',
  '/apis/networking.k8s.io/v1/servicecidrs': 'ServiceCIDR',
};

let served: ProxiedApiServer | undefined;
let probe: SocketProbe;
/** Backends change all the time: which are next. */
let round = 0;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  served = await serveProxiedApi(made);
  const { store } = served;
  store.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } } as KubeObject);
  for (const object of [...service('web', WEB), ...service('marker', MARKER)]) store.apply(object);
  made.agent.flags = ['--node-name', 'node-1', '--log-level', 'debug'];
  made.agent.flags = [...made.agent.flags, '--service-cidr', '10.96.0.0/16'];
  probe = await SocketProbe.start(made);
});

test.after.always(() => served?.close());

function api(): ProxiedApiServer {
  if (!served) throw new Error('there is no API server');
  return served;
}

function service(name: string, address: string, backends = ['10.244.1.1']): KubeObject[] {
  return kubeService(name, [address], bothProtocols(80, backends));
}

/** Gives `name` other backends. @returns resolves once they are in the kernel. */
function change(name: 'web' | 'marker'): () => Promise<void> {
  round += 1;
  const address = name === 'web' ? WEB : MARKER;
  const backends = [`10.244.1.${10 + (round % 200)}`, '10.244.1.1'];
  for (const object of service(name, address, backends)) api().store.apply(object);
  return async () => {
    for (const protocol of ['TCP', 'UDP']) {
      await programmed(node(), `${address}:80/${protocol}`, backends.map(targetAt));
    }
  };
}

/** A Service more. */
async function addExtra(): Promise<void> {
  for (const object of service('extra', EXTRA)) api().store.apply(object);
  await programmed(node(), `${EXTRA}:80/TCP`, [targetAt('10.244.1.1')]);
}

function removeExtra(): void {
  for (const { kind, metadata } of service('extra', EXTRA)) {
    api().store.delete(kind, 'default', metadata.name);
  }
}

async function extraIsGone(): Promise<void> {
  await programmed(node(), `${EXTRA}:80/TCP`, undefined);
  await programmed(node(), `${EXTRA}:80/UDP`, undefined);
}

/** Passes that have written something. */
function writingPasses(): number {
  return node().agent.log.filter(({ msg, writes }) => msg === 'programmed' && Number(writes) > 0)
    .length;
}

/** Lists that were begun or gone on with, of all kinds, since `from` requests. */
function lists(from = 0): number {
  return requests(from).filter(({ isWatch }) => !isWatch).length;
}

/** Without Events. */
function requests(from = 0) {
  return api()
    .proxy.requests.slice(from)
    .filter(({ method, path }) => method === 'GET' && path in OF_PATH);
}

async function status(): Promise<Status> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return (JSON.parse(stdout) as { agent: Status }).agent;
}

const isWatch = ({ url, isWatch: watches }: Exchange) => watches && url.pathname in OF_PATH;
const isList = ({ url, isWatch: watches }: Exchange) => !watches && url.pathname in OF_PATH;
const isAny = ({ url }: Exchange) => url.pathname in OF_PATH;

/** `body` while clients dial and `fault` is at work, from the moment on when all watches come anew. */
async function under(fault: Fault, only: typeof isAny, body: () => Promise<void>): Promise<void> {
  const { proxy } = api();
  const stop = proxy.inject(fault, only);
  try {
    proxy.hangUp();
    await body();
  } finally {
    stop();
  }
}

/** How long it takes from now until a change is in the kernel. */
async function repaired(changed = change('web')): Promise<number> {
  const begunMs = performance.now();
  await changed();
  return Math.round(performance.now() - begunMs);
}

type Body = (t: ExecutionContext) => Promise<FaultFigures>;

/** Clients dial all the while, and none may fail. The agent is a new one, which has not been let down yet. */
function apiFault(id: FaultId, body: Body, variant = 'the real agent'): void {
  const run = async (t: ExecutionContext, report: (figures: FaultFigures) => void) => {
    if (!canMakeNodes(t)) return;
    if (node().agent.pid) await node().agent.end('SIGTERM');
    await node().agent.start(api().flags);
    await change('web')();
    const dialling = probe.repeat(CLIENTS, { timeoutMs: 5000, pauseUs: 1000 });
    let figures: FaultFigures = {};
    try {
      figures = await body(t);
      await until('all is well', async () => (await status()).healthy, 60_000);
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
  const { proxy } = api();
  await addExtra();
  const before = kernelFrontends(node());
  const passes = writingPasses();
  proxy.isDown = true;
  proxy.hangUp();
  const changed = change('web');
  removeExtra();
  await sleep(2000);
  t.deepEqual(kernelFrontends(node()), before);
  t.is(writingPasses(), passes, 'no write');
  proxy.isDown = false;
  const repairMs = await repaired(changed);
  await extraIsGone();
  return { injections: 1, repairMs };
});

apiFault('api-slow', async (t) => {
  await addExtra();
  const from = api().proxy.requests.length;
  let repairMs = 0;
  await under(drip(8, 1), isAny, async () => {
    api().server.compact();
    removeExtra();
    const changed = change('web');
    const begunMs = performance.now();
    await until('a list in drops', () => lists(from) > 0);
    t.true(kernelFrontends(node()).has(`${EXTRA}:80/TCP`), 'not before the list is complete');
    await changed();
    await extraIsGone();
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
    repairMs = Math.max(repairMs, await repaired());
  }
  t.is(lists(from), 0);
  return { injections: 5, repairMs };
});

apiFault('api-410', async (t) => {
  const { proxy, server } = api();
  const from = proxy.requests.length;
  let repairMs = 0;
  for (const form of ['event', 'status', 'page'] as const) {
    // Whoever comes back is behind.
    proxy.isDown = true;
    proxy.hangUp();
    const changed = change('web');
    touchMarker();
    server.compact(form === 'status' ? 'status' : 'event');
    const begunMs = performance.now();
    const pages = proxy.requests.length;
    const stop = form === 'page' ? proxy.inject(expiringPage, isList) : () => {};
    proxy.isDown = false;
    if (form === 'page') {
      await until('a page has expired', () => lists(pages) >= 2);
      stop();
    }
    await changed();
    repairMs = Math.max(repairMs, Math.round(performance.now() - begunMs));
  }
  const note = `${lists(from)} lists, pages that expired with them, of ${3 * KINDS} watches`;
  t.true(lists(from) <= 6 * KINDS, note);
  return { injections: 3, repairMs, note };
});

/** So that Services and slices both have changed; the agent sees no difference. */
function touchMarker(): void {
  for (const object of service('marker', MARKER)) {
    const annotations = { round: `${round}` };
    api().store.apply({ ...object, metadata: { ...object.metadata, annotations } });
  }
}

apiFault('api-429', async (t) => {
  const from = api().proxy.requests.length;
  await under(refuse(429, { 'Retry-After': '2' }), isAny, async () => {
    await sleep(1900);
    t.true(requests(from).length <= KINDS, 'each has asked once, and then left it alone');
  });
  return { injections: requests(from).length, repairMs: await repaired() };
});

apiFault('api-5xx', async (t) => {
  const from = api().proxy.requests.length;
  const begunMs = performance.now();
  await under(refuseInTurn([500, 502, 503, 504]), isAny, () => sleep(2000));
  const asked = requests(from);
  t.true(asked.length <= 6 * KINDS, `${asked.length} requests`);
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(1);
  const note = `${asked.length} requests of ${KINDS} watches in ${seconds} s`;
  return { injections: asked.length, repairMs: await repaired(), note };
});

for (const [variant, fault] of [
  ['half a line', halfLine],
  ['garbage', garbage],
] as const) {
  apiFault(
    'api-half-line',
    async (t) => {
      const from = api().proxy.requests.length;
      await under(fault, isWatch, () => sleep(2000));
      const asked = requests(from).length;
      t.true(asked >= KINDS && asked <= 12 * KINDS, `${asked} requests`);
      const note = `${asked} requests, ${lists(from)} of them lists, of ${KINDS} watches in 2 s`;
      return { injections: asked - lists(from), repairMs: await repaired(), note };
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
    let repeated = 0;
    await under(stammer.fault, isWatch, async () => {
      try {
        await change('web')();
      } catch (e) {
        t.log(
          node()
            .agent.log.slice(-40)
            .map((l) => JSON.stringify(l))
            .join('\n'),
        );
        t.log(served?.proxy.requests.slice(-20));
        throw e;
      }
      try {
        await change('web')();
      } catch (e) {
        t.log(
          node()
            .agent.log.slice(-40)
            .map((l) => JSON.stringify(l))
            .join('\n'),
        );
        t.log(served?.proxy.requests.slice(-20));
        throw e;
      }
      await addExtra();
      removeExtra();
      await extraIsGone();
      const before = kernelFrontends(node());
      const passes = writingPasses();
      const from = stammer.repeated;
      await until('it has all been said again', () => stammer.repeated > from + 100);
      // Behind all that has been said again.
      round += 1;
      const backend = `10.244.2.${round % 200}`;
      api().store.apply(service('marker', MARKER, [backend])[1] as KubeObject);
      await programmed(node(), `${MARKER}:80/TCP`, [targetAt(backend)]);
      await until('it is told', () => writingPasses() > passes);
      t.is(writingPasses(), passes + 1, 'no write but for the marker');
      const after = kernelFrontends(node());
      before.delete(`${MARKER}:80/TCP`);
      after.delete(`${MARKER}:80/TCP`);
      t.deepEqual(after, before);
      repeated = stammer.repeated;
      await change('marker')();
    });
    api().proxy.hangUp();
    return { injections: repeated, repairMs: await repaired() };
  });
}

apiFault('api-deleted-while-away', async (t) => {
  await addExtra();
  const { proxy, server } = api();
  proxy.isDown = true;
  proxy.hangUp();
  removeExtra();
  server.compact();
  await sleep(500);
  // Lists are begun, and none is complete.
  const stop = proxy.inject(() => {}, isList);
  proxy.isDown = false;
  await sleep(500);
  t.true(kernelFrontends(node()).has(`${EXTRA}:80/TCP`), 'not before a complete list');
  stop();
  proxy.hangUp();
  const repairMs = await repaired(extraIsGone);
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
      const before = peakMiB();
      if (fault === endlessList) {
        proxy.isDown = true;
        proxy.hangUp();
        change('web');
        touchMarker();
        server.compact();
      }
      await under(fault, only, async () => {
        proxy.isDown = false;
        await until('it is told', () =>
          node().agent.log.some(
            ({ msg, error }) => msg === 'watch failed' && said.test(`${error}`),
          ),
        );
        await sleep(500);
      });
      const grownMiB = Math.round(peakMiB() - before);
      t.true(grownMiB < 300, `${grownMiB} MiB`);
      const repairMs = await repaired();
      const note = `${requests(from).length} requests, ${grownMiB} MiB more at the peak`;
      return { injections: 1, repairMs, note };
    },
    `${variant}, the real agent`,
  );
}

/** The most memory that the agent has had. */
function peakMiB(): number {
  const text = readFileSync(`/proc/${node().agent.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(text)?.[1]) / 1024;
}
