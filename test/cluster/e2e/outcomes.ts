// SPDX-License-Identifier: Apache-2.0
// What comes of dialling, as the tests expect it: each waits until it is so, because nodes hear of a change one after the
// other, and then asks once more, when there is no excuse left.

import { eventually, NotYet } from './eventually.ts';
import type { Answer, DialReport, Target } from './pod/wire.ts';
import type { PodControl } from './pod-control.ts';

/** Enough to meet each of two backends, but for once in two thousand times; a miss is tried again. */
const DIALS = 12;
const FEW = 3;
/** For those that expect no answer. */
const SHORT_PATIENCE_MS = 6000;

export interface OutcomeOptions {
  readonly count?: number;
}

/**
 * New connections go to each of these pods and to no other, and the socket shows the address that it dialled.
 * @returns the answers of the last time.
 */
export async function reaches(
  client: PodControl,
  target: Target,
  pods: readonly string[],
  { count = pods.length > 1 ? DIALS : FEW }: OutcomeOptions = {},
): Promise<readonly Answer[]> {
  const judge = (report: DialReport, isAll: boolean) => wrongIn(report, target, pods, isAll);
  return await expected(client, { ...target, count }, `reaches ${pods.join(' and ')}`, judge);
}

/** The answer is `no`, at once: nobody is there. */
export async function isRefused(client: PodControl, target: Target): Promise<void> {
  await fails(client, target, 'ECONNREFUSED');
}

/** As policies have it that let nobody else serve: a socket of the cluster is told, a client outside hears nothing. */
export async function isDropped(
  client: PodControl,
  target: Target,
  isOutside: boolean,
): Promise<void> {
  if (isOutside) await fails(client, target, 'TIMEOUT', 1);
  else await fails(client, target, 'EHOSTUNREACH');
}

/** Nobody answers, for whatever reason: as if Signalbox were not there. */
export async function isUntouched(client: PodControl, target: Target): Promise<void> {
  const order = { ...target, count: 1, patienceMs: SHORT_PATIENCE_MS };
  await expected(client, order, 'gets no answer', ({ answers }) =>
    answers.length ? 'an answer' : '',
  );
}

async function fails(client: PodControl, target: Target, code: string, count = FEW) {
  const order = { ...target, count, patienceMs: SHORT_PATIENCE_MS };
  await expected(client, order, `gets ${code}`, ({ answers, failures }) =>
    answers.length || failures.some((failure) => failure.code !== code) ? 'something else' : '',
  );
}

async function expected(
  client: PodControl,
  order: Target & { count: number },
  what: string,
  wrong: (report: DialReport, isAll: boolean) => string,
): Promise<readonly Answer[]> {
  const { host, port, protocol } = order;
  const name = `${client.name} dials ${protocol}/${host} port ${port}: ${what}`;
  await eventually(name, async () => {
    const report = await client.dial(order);
    const why = wrong(report, true);
    return why ? new NotYet(`${why}: ${summary(report)}`) : report;
  });
  const report = await client.dial(order);
  const why = wrong(report, false);
  if (why) throw new Error(`${name}: it was so, and then ${why}: ${summary(report)}`);
  return report.answers;
}

function wrongIn(
  { answers, failures }: DialReport,
  { host, port }: Target,
  pods: readonly string[],
  isAll: boolean,
): string {
  const heard = new Set(answers.map(({ pod }) => pod));
  if (failures.length) return 'a failure';
  if ([...heard].some((pod) => !pods.includes(pod))) return 'another pod';
  if (isAll && heard.size < pods.length) return 'not all of them';
  const strange = answers.find(({ peer }) => peer.address !== host || peer.port !== port);
  return strange ? `a peer that was not dialled (${strange.peer.address})` : '';
}

function summary({ answers, failures }: DialReport): string {
  const words = [...answers.map(({ pod }) => `from ${pod}`), ...failures.map(({ code }) => code)];
  const counts = Map.groupBy(words, (word) => word);
  return [...counts].map(([word, { length }]) => `${length} x ${word}`).join(', ') || 'nothing';
}
