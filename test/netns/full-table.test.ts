// SPDX-License-Identifier: Apache-2.0
// More frontends than the table holds: what does not fit is named wherever people look, everything else works and
// changes, and what did not fit comes in by itself as soon as there is room.

import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
import { faultTest } from '../faults/fault-test.ts';
import { parseExposition } from '../helpers/promql.ts';
import { until } from '../lab/until.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { type NodeApiServer, serveApi } from './node-api-server.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const [OLD, NEW] = ['10.244.1.1', '10.244.1.3'];
/** Three entries of `a-web`, which is the first in the alphabet, and two of each other Service: 30 of them fit. */
const [CAPACITY, SERVICES, FITTING] = [64, 36, 30];
const METRICS = '127.0.0.1:10249';
const THROUGHOUT: readonly Target[] = (['tcp', 'udp', 'sendto', 'kept'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
}));

let api: NodeApiServer | undefined;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  api = await serveApi(made);
  publishWeb(OLD);
  for (let i = 0; i < SERVICES; i++) {
    const port = { protocol: 'TCP', port: 80, backends: ['10.244.1.2'] } as const;
    for (const object of kubeService(`many-${i}`, [`10.96.1.${i}`], [port])) store().create(object);
  }
  made.agent.flags = [`--table-size=frontends=${CAPACITY}`, '--metrics-bind-address', METRICS];
  await made.agent.start(api.flags);
});

test.after.always(() => api?.close());

function store(): NodeApiServer['store'] {
  if (!api) throw new Error('there is no API server');
  return api.store;
}

function publishWeb(backend: string): void {
  for (const object of kubeService('a-web', [WEB], bothProtocols(80, [backend])))
    store().apply(object);
}

async function status(): Promise<Status> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return (JSON.parse(stdout) as { agent: Status }).agent;
}

/** Services that have a series saying that they fail. */
async function failedByMetrics(): Promise<string[]> {
  const script = `process.stdout.write(await (await fetch('http://${METRICS}/metrics')).text())`;
  const argv = [process.execPath, '--input-type=module', '-e', script];
  const { stdout } = await node().run(argv);
  return parseExposition(stdout)
    .filter(({ metric, value }) => metric === 'signalbox_service_failed' && value === 1)
    .map(({ labels }) => `${labels.namespace}/${labels.service}`)
    .sort();
}

/** As core/v1 has it, which is how the store keeps it. */
interface EventObject {
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
  };
}

function eventsOnServices(): EventObject[] {
  return (store().list('Event') as unknown as EventObject[]).filter(
    ({ reason, involvedObject }) =>
      reason === 'FailedToProgram' && involvedObject.kind === 'Service',
  );
}

/** @returns those that do not fit, in the order of the alphabet. */
async function checkNames(t: ExecutionContext): Promise<string[]> {
  const { failures, problems, selfTest } = await status();
  const names = failures.map(({ service }) => service).sort();
  t.is(names.length, SERVICES - FITTING);
  t.true(names.every((name) => name.startsWith('default/many-')));
  const why = `the table frontends is full with ${CAPACITY} entries (E2BIG); --table-size frontends=128 of the agent makes room`;
  t.true(failures.every(({ message }) => message === why));
  t.true(problems.includes(`Service ${failures[0]?.service} is not programmed: ${why}`));
  // A table that is full says nothing of the programs.
  t.is(selfTest, 'not possible');
  // One line for each attempt, not for each Service.
  const said = node().agent.log.filter(({ level }) => level === 'error');
  t.is(said[0]?.otherServices, names.length - 1);
  t.deepEqual(await failedByMetrics(), names);
  await until('an Event on each', () => eventsOnServices().length === names.length);
  const told = eventsOnServices();
  t.deepEqual(
    told.map(({ involvedObject: { namespace, name } }) => `${namespace}/${name}`).sort(),
    names,
  );
  t.true(told.every(({ message }) => message.includes(why)));
  return names;
}

async function checkWarnings(t: ExecutionContext): Promise<void> {
  const fill = `frontends ${CAPACITY} of ${CAPACITY} entries: --table-size frontends=128`;
  t.true((await node().signalbox('status')).stdout.includes(`a table is nearly full: ${fill}`));
  const { stdout } = await node().signalbox('doctor', '--no-trial', '--json');
  const { findings } = JSON.parse(stdout) as { findings: { id: string; found: string }[] };
  t.true(findings.find(({ id }) => id === 'table-nearly-full')?.found.startsWith(fill));
}

faultTest(test, 'size-ceiling', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const probe = await SocketProbe.start(node());
  t.teardown(() => probe.stop());
  const clients = probe.repeat(THROUGHOUT, { timeoutMs: 600_000, pauseUs: 1000 });
  const names = await checkNames(t);
  await checkWarnings(t);

  publishWeb(NEW);
  await programmed(node(), `${WEB}:80/TCP`, [targetAt(NEW)]);
  await programmed(node(), `${WEB}:80/UDP`, [targetAt(NEW)]);
  t.is((await status()).failures.length, names.length);

  const gone = Array.from({ length: SERVICES }, (_, i) => `default/many-${i}`)
    .filter((name) => !names.includes(name))
    .slice(0, names.length);
  const removedMs = performance.now();
  for (const name of gone) store().delete('Service', 'default', name.slice('default/'.length));
  const isWell = async () => (await status()).failures.length === 0;
  t.true(await until('every Service is programmed', isWell));
  const repairMs = Math.round(performance.now() - removedMs);
  for (const name of names) {
    const frontend = `10.96.1.${name.split('-')[1]}:80/TCP`;
    await programmed(node(), frontend, [targetAt('10.244.1.2')]);
  }
  t.deepEqual(await failedByMetrics(), []);

  probe.stop();
  const attempts = await clients;
  const allowed = [OLD, NEW].map(targetAt);
  const wrong = attempts.filter(({ landed }) => !allowed.includes(landed));
  t.deepEqual(wrong.slice(0, 5), []);
  const figures = { attempts: attempts.length, failed: wrong.length, repairMs };
  report({ injections: names.length, ...figures, note: 'time to repair from when there is room' });
});
