// SPDX-License-Identifier: Apache-2.0
// When that happened which the EndpointSlice controller acts upon: what it writes into the annotation from
// which proxies count their programming latency (semantics 1.4). As in Kubernetes, the earliest change
// since the last look counts, and a change that has no time of its own has none here.

import { type KubeObject, keyOf } from './kube-object.ts';

interface Seen {
  /** Milliseconds since 1970. */
  readonly service: number;
  /** By the Pod's name. */
  readonly pods: ReadonlyMap<string, number>;
}

interface Condition {
  readonly type: string;
  readonly lastTransitionTime?: string;
}

export class TriggerTimes {
  readonly #seen = new Map<string, Seen>();

  /**
   * Looks at a Service and its Pods.
   *
   * @returns when the first of the changes since the last look happened, in RFC 3339; for a Service that is
   *   new here, when it was created; undefined when nothing tells.
   */
  observe(service: KubeObject, pods: readonly KubeObject[]): string | undefined {
    const key = keyOf(service);
    const before = this.#seen.get(key);
    const times = pods.map((pod) => [pod.metadata.name, readyTime(pod)] as const);
    const now: Seen = {
      service: millisecondsOf(service.metadata.creationTimestamp),
      pods: new Map(times.filter(([, time]) => time > 0)),
    };
    this.#seen.set(key, now);
    if (!before) return textOf(now.service);
    const changes = [...now.pods].flatMap(([name, time]) =>
      time > (before.pods.get(name) ?? 0) ? [time] : [],
    );
    if (now.service > before.service) changes.push(now.service);
    return textOf(changes.length > 0 ? Math.min(...changes) : 0);
  }

  /** @param key namespace/name of a Service that is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
  }
}

/** When its readiness changed last: the deletion of a Pod has no time of its own. */
function readyTime({ status }: KubeObject): number {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly Condition[] };
  return millisecondsOf(conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime);
}

/** 0 for what is no time. */
function millisecondsOf(text: string | undefined): number {
  return Date.parse(text ?? '') || 0;
}

function textOf(milliseconds: number): string | undefined {
  if (milliseconds === 0) return undefined;
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}
