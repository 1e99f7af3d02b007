// SPDX-License-Identifier: Apache-2.0
// A steady load of new connections from both nodes, for what must not be noticed.

import type { Target } from '../apps/request.ts';
import type { RequestResult } from '../apps/request-report.ts';
import type { Scene } from './scene.ts';

const VISITORS = [1, 2] as const;

export interface LoadResult {
  readonly count: number;
  readonly failures: RequestResult['failures'];
  readonly byPod: Readonly<Record<string, number>>;
}

/** Keeps up the load while `body` runs. @param perSecond new connections a second from each node. */
export async function underLoad(
  scene: Scene,
  target: Target,
  perSecond: number,
  body: () => Promise<void>,
): Promise<LoadResult> {
  const streams = await Promise.all(
    VISITORS.map((node) => scene.visitor(node).call('startStream', { ...target, perSecond })),
  );
  const stop = () =>
    Promise.all(
      VISITORS.map((node, i) =>
        scene.visitor(node).call('stopStream', { stream: streams[i] as number }),
      ),
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
  const byPod: Record<string, number> = {};
  for (const result of results) {
    for (const [pod, count] of Object.entries(result.byPod)) {
      byPod[pod] = (byPod[pod] ?? 0) + count;
    }
  }
  const count = results.reduce((sum, result) => sum + result.count, 0);
  return { count, byPod, failures: results.flatMap((result) => result.failures) };
}
