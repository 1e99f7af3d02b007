// SPDX-License-Identifier: Apache-2.0
// Between the reflectors and the cluster's state: whatever a server repeats, cuts or sends late, what an agent takes an
// object to be goes forward through its versions, and never back. Used by the simulation, one for each life of an agent.

import type { WatchedResource } from '../../agent/cluster/watched-resources.ts';
import type { ClusterState, ObjectSink, WatchedKind } from '../../agent/model/cluster-state.ts';
import type { ClusterHistory } from './cluster-history.ts';

const ABSENT = 'absent';

/** @param onProblem told of what an agent may not have been told. */
export function walkThrough(
  history: ClusterHistory,
  resources: readonly WatchedResource[],
  sink: ClusterState,
  onProblem: (problem: string) => void,
): ObjectSink {
  const told = new Map<WatchedKind, Map<string, string>>(
    resources.map(({ kind }) => [kind, new Map()]),
  );
  /** Of each object the version that it is taken to have, at least. */
  const reached = new Map<string, number>();
  const parsers = new Map(resources.map((resource) => [resource.kind, resource]));

  function toldOf(kind: WatchedKind): Map<string, string> {
    return told.get(kind) as Map<string, string>;
  }

  function go(kind: WatchedKind, key: string, content: string): void {
    const known = toldOf(kind);
    if ((known.get(key) ?? ABSENT) === content) return;
    if (content === ABSENT) known.delete(key);
    else known.set(key, content);
    const id = `${kind} ${key}`;
    const from = reached.get(id) ?? 0;
    const next = versions(kind, key).find((one) => one.version >= from && one.content === content);
    if (next) reached.set(id, next.version);
    else onProblem(`${id} is told to be ${content}: no version of it from ${from} on is so`);
  }

  /** As the parser has it, which stands in for a sink. */
  function versions(kind: WatchedKind, key: string): { version: number; content: string }[] {
    const all = [{ version: 0, content: ABSENT }];
    for (const event of history.events(kind)) {
      if (event.key !== key) continue;
      const { version, type, object } = event;
      if (type === 'DELETED') all.push({ version, content: ABSENT });
      else
        parsers.get(kind)?.parse(object)(
          listener((content) => all.push({ version, content })),
          key,
        );
    }
    return all;
  }

  return {
    upsertService(key, parsed) {
      go('Service', key, JSON.stringify(parsed));
      sink.upsertService(key, parsed);
    },
    upsertEndpointSlice(key, parsed) {
      go('EndpointSlice', key, JSON.stringify(parsed));
      sink.upsertEndpointSlice(key, parsed);
    },
    upsertNode(name, parsed) {
      go('Node', name, JSON.stringify(parsed));
      sink.upsertNode(name, parsed);
    },
    upsertServiceCidr(name, parsed) {
      go('ServiceCIDR', name, JSON.stringify(parsed));
      sink.upsertServiceCidr(name, parsed);
    },
    remove(kind, key) {
      go(kind, key, ABSENT);
      sink.remove(kind, key);
    },
    listed(kind, present) {
      for (const key of toldOf(kind).keys()) if (!present.has(key)) go(kind, key, ABSENT);
      sink.listed(kind, present);
    },
    unavailable: (kind) => sink.unavailable(kind),
    noteManifest: (path, reason) => sink.noteManifest(path, reason),
  };
}

function listener(hear: (content: string) => void): ObjectSink {
  const upsert = (_key: string, parsed: unknown) => hear(JSON.stringify(parsed));
  return {
    upsertService: upsert,
    upsertEndpointSlice: upsert,
    upsertNode: upsert,
    upsertServiceCidr: upsert,
    remove() {},
    listed() {},
    unavailable() {},
    noteManifest() {},
  };
}
