// SPDX-License-Identifier: Apache-2.0
// A scenario file, read: YAML documents, one after another. Kubernetes objects are applied; `delete:` lists
// what goes (`Service default/quote`); `tables:` says what the kernel is to hold then, a frontend a line:
// a checkpoint. `skipped:` and `conflicts:` beside it say what `status` is to name.

import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { parseManifest } from '../../agent/cluster/manifest-file.ts';
import type { ObjectSink, Parsed, WatchedKind } from '../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../agent/model/objects.ts';

/** One event of a watch. */
export type Event = (sink: ObjectSink) => void;

/** An object as a checkpoint leaves it: the events that bring it about, whatever was there before. */
export interface ObjectState {
  readonly kind: WatchedKind;
  readonly key: ObjectKey;
  /** Its last good form and, when the last one made no sense, that one too. */
  readonly events: readonly Event[];
}

export interface Checkpoint {
  /** Since the checkpoint before. */
  readonly events: readonly Event[];
  /** Every object there is now, by kind and key. */
  readonly objects: ReadonlyMap<string, ObjectState>;
  readonly tables: readonly string[];
  /** Undefined: not looked at. */
  readonly skipped: readonly string[] | undefined;
  readonly conflicts: readonly string[] | undefined;
}

interface Expectation {
  readonly tables: string;
  readonly skipped?: readonly string[];
  readonly conflicts?: readonly string[];
}

/** @throws Error when the file is not a scenario. */
export function readScenario(file: string): Checkpoint[] {
  const checkpoints: Checkpoint[] = [];
  const objects = new Map<string, ObjectState>();
  let events: Event[] = [];
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const [error] = document.errors;
    if (error) throw error;
    const content = document.toJS() as Record<string, unknown> | null;
    if (content === null) continue;
    if ('tables' in content) {
      checkpoints.push({ events, objects: new Map(objects), ...expected(content as never) });
      events = [];
    } else if ('delete' in content) {
      for (const id of content.delete as string[]) {
        if (!objects.delete(id)) throw new Error(`${file} deletes ${id}, which is not there`);
        const [kind, key] = id.split(' ') as [WatchedKind, ObjectKey];
        events.push((sink) => sink.remove(kind, key));
      }
    } else {
      const { id, state, isGood } = readObject(String(document));
      const before = isGood ? [] : (objects.get(id)?.events ?? []);
      objects.set(id, { ...state, events: [...before, ...state.events] });
      events.push(...state.events);
    }
  }
  if (events.length) throw new Error(`${file} does not end with tables`);
  return checkpoints;
}

function expected({ tables, skipped, conflicts }: Expectation) {
  const rows = tables === 'none' ? [] : tables.trimEnd().split('\n');
  return { tables: rows, skipped, conflicts };
}

function readObject(text: string) {
  const manifest = parseManifest(text, 'yaml');
  if ('unreadable' in manifest) throw new Error(manifest.unreadable);
  const [object] = manifest.objects;
  if (!object) throw new Error(`not a Service or EndpointSlice:\n${text}`);
  const { kind, key, deliver } = object;
  const event: Event = (sink) => deliver(sink, key);
  return {
    id: `${kind} ${key}`,
    state: { kind, key, events: [event] },
    isGood: !('invalid' in parsedBy(event)),
  };
}

function parsedBy(event: Event): Parsed<unknown> {
  let parsed: Parsed<unknown> | undefined;
  const take = (_: ObjectKey, what: Parsed<unknown>) => {
    parsed = what;
  };
  event({
    upsertService: take,
    upsertEndpointSlice: take,
    remove() {},
    listed() {},
    noteManifest() {},
  });
  return parsed ?? { ignored: 'nothing was delivered' };
}
