// SPDX-License-Identifier: Apache-2.0
// A steady load of new connections from several places at once, for what must not be noticed.

import type { ClientMethods } from '../apps/client.ts';
import type { Target } from '../apps/request.ts';
import type { RequestResult } from '../apps/request-report.ts';
import type { Remote } from '../rpc.ts';
import type { Scene } from './scene.ts';

export interface Load {
  readonly client: Remote<ClientMethods>;
  readonly target: Target;
  /** New connections. */
  readonly perSecond: number;
}

export interface LoadResult {
  readonly count: number;
  readonly failures: RequestResult['failures'];
}

/** The same from both visitors. */
export function fromVisitors(scene: Scene, target: Target, perSecond: number): Load[] {
  return ([1, 2] as const).map((node) => ({ client: scene.visitor(node), target, perSecond }));
}

/** Keeps up the loads while `body` runs. */
export async function underLoad(
  loads: readonly Load[],
  body: () => Promise<void>,
): Promise<LoadResult> {
  const streams = await Promise.all(
    loads.map(({ client, target, perSecond }) =>
      client.call('startStream', { ...target, perSecond }),
    ),
  );
  const stop = () =>
    Promise.all(
      loads.map(({ client }, i) => client.call('stopStream', { stream: streams[i] as number })),
    );
  try {
    await body();
  } catch (error) {
    await stop();
    throw error;
  }
  return join(await stop());
}

function join(results: readonly RequestResult[]): LoadResult {
  const count = results.reduce((sum, result) => sum + result.count, 0);
  return { count, failures: results.flatMap((result) => result.failures) };
}

/** `600 requests, 2 failed (ECONNRESET)` */
export function formatLoad({ count, failures }: LoadResult): string {
  const errnos = [...new Set(failures.map(({ errno }) => errno))];
  return `${count} requests, ${failures.length} failed${errnos.length ? ` (${errnos.join(', ')})` : ''}`;
}
