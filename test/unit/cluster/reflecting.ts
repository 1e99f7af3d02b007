// SPDX-License-Identifier: Apache-2.0
// A reflector of Services, at work against a scripted server. Pauses are recorded and end at once. Used by the tests of
// the reflector.

import type { ExecutionContext } from 'ava';
import { createApiClient } from '../../../agent/cluster/api-client.ts';
import { createReflector, type Reflector } from '../../../agent/cluster/reflector.ts';
import { SERVICES, type WatchedResource } from '../../../agent/cluster/watched-resources.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { eventually } from './eventually.ts';
import { type RecordedLog, recordLog } from './recorded-log.ts';
import { event, type ScriptedServer, type Step, startScript } from './scripted-server.ts';

export interface Reflecting extends ScriptedServer, RecordedLog {
  readonly state: ClusterState;
  readonly reflector: Reflector;
  /** Milliseconds of every pause after a failure. */
  readonly pauses: readonly number[];
  readonly stop: () => Promise<void>;
}

export interface ReflectingOptions {
  readonly shortWatchMs?: number;
  readonly graceMs?: number;
  readonly steadyMs?: number;
  readonly quietMs?: number;
  readonly random?: number;
  readonly resource?: WatchedResource;
}

/** Starts one that is answered by `steps`, one request after another. It ends with the test. */
export async function reflecting(
  t: ExecutionContext,
  steps: readonly Step[],
  options: ReflectingOptions = {},
) {
  const server = await startScript(t, steps);
  const recorded = recordLog();
  const pauses: number[] = [];
  const client = createApiClient({
    access: {
      server: server.url,
      credentials: async () => ({ headers: {}, tls: {} }),
      forget() {},
    },
  });
  const reflector = createReflector({
    resource: options.resource ?? SERVICES,
    client,
    log: recorded.log,
    timing: {
      random: () => options.random ?? 0,
      now: () => performance.now(),
      pause: async (ms) => {
        pauses.push(ms);
      },
      graceMs: options.graceMs ?? 30_000,
      shortWatchMs: options.shortWatchMs ?? 0,
      steadyMs: options.steadyMs ?? 0,
      quietMs: options.quietMs ?? 90_000,
    },
  });
  const state = new ClusterState();
  const controller = new AbortController();
  const running = reflector.run(state, controller.signal);
  const stop = async () => {
    controller.abort();
    await running;
    client.close();
  };
  t.teardown(stop);
  return { ...server, ...recorded, state, reflector, pauses, stop } satisfies Reflecting;
}

export function service(name: string, resourceVersion = '1', clusterIP = '10.96.0.1'): unknown {
  return {
    metadata: { name, namespace: 'default', resourceVersion },
    spec: { clusterIP, ports: [{ port: 80 }] },
  };
}

export const bookmark = (resourceVersion: string) =>
  event('BOOKMARK', { kind: 'Service', metadata: { resourceVersion } });

/** Of a, b, c and d, the Services that are there. */
export const names = (state: ClusterState) =>
  ['a', 'b', 'c', 'd'].filter((name) => state.service(`default/${name}`)).join('');

/** Waits until the n-th request is there, and tells what it asked for. */
export async function nthQuery(t: ExecutionContext, { requests }: ScriptedServer, n: number) {
  const request = await eventually(t, `request ${n}`, () => requests[n - 1]);
  return request.query;
}
