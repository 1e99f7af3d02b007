// SPDX-License-Identifier: Apache-2.0
// A scenario file, read: YAML documents, one after another. The first may have `options:` of the node.
// Kubernetes objects are applied; `delete:` lists what goes (`Service default/quote`, `Node node-1`); `tables:`
// says what the kernel is to hold then, a frontend a line: a checkpoint. Beside it may stand
//
//   verdicts:   what `explain` is to say (verdicts.ts)
//   echo:       which addresses answer to a ping (node-rows.ts)
//   members:    of which backends choices may be remembered (node-rows.ts)
//   node:       what the programs are to know of the node (node-rows.ts)
//   skipped:    what `status` is to name, conflicts: and who gets what several ask for
//
// What is not there is not looked at.

import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { parseManifest } from '../../agent/cluster/manifest-file.ts';
import type { ObjectSink, Parsed, WatchedKind } from '../../agent/model/cluster-state.ts';
import { NODE_NAME, type NodeOptions, nodeOptions } from './node-options.ts';
import { type ExpectedVerdict, readVerdict } from './verdicts.ts';

/** One event of a watch. */
export type Event = (sink: ObjectSink) => void;

/** An object as a checkpoint leaves it: the events that bring it about, whatever was there before. */
export interface ObjectState {
  readonly kind: WatchedKind;
  readonly key: string;
  /** Its last good form and, when the last one made no sense, that one too. */
  readonly events: readonly Event[];
  /** Whether its last form made sense. */
  readonly isGood: boolean;
}

export interface Checkpoint {
  /** Since the checkpoint before. */
  readonly events: readonly Event[];
  /** Every object there is now, by kind and key. */
  readonly objects: ReadonlyMap<string, ObjectState>;
  readonly tables: readonly string[];
  /** Of this and what follows: undefined is not looked at. */
  readonly verdicts: readonly ExpectedVerdict[] | undefined;
  readonly echo: readonly string[] | undefined;
  readonly members: readonly string[] | undefined;
  readonly node: readonly string[] | undefined;
  readonly skipped: readonly string[] | undefined;
  readonly conflicts: readonly string[] | undefined;
}

export interface Scenario {
  readonly options: NodeOptions;
  readonly checkpoints: readonly Checkpoint[];
}

type Document = Readonly<Record<string, unknown>>;

const EXPECTATIONS = ['tables', 'verdicts', 'echo', 'members', 'node', 'skipped', 'conflicts'];

/** @throws Error when the file is not a scenario. */
export function readScenario(file: string): Scenario {
  const [first, ...others] = readDocuments(file);
  if (!first) throw new Error(`${file} is empty`);
  const hasOptions = 'options' in first.content;
  const options = nodeOptions(hasOptions ? (first.content.options as Document) : {});
  const checkpoints: Checkpoint[] = [];
  const objects = new Map<string, ObjectState>();
  let events: Event[] = [];
  for (const { content, text } of hasOptions ? others : [first, ...others]) {
    if ('tables' in content) {
      checkpoints.push({ events, objects: new Map(objects), ...readExpectations(content) });
      events = [];
    } else if ('delete' in content) {
      for (const id of content.delete as string[]) {
        if (!objects.delete(id)) throw new Error(`${file} deletes ${id}, which is not there`);
        const [kind, key] = id.split(' ') as [WatchedKind, string];
        events.push((sink) => sink.remove(kind, key));
      }
    } else {
      const { id, state } = readObject(text);
      const before = state.isGood ? [] : (objects.get(id)?.events ?? []);
      objects.set(id, { ...state, events: [...before, ...state.events] });
      events.push(...state.events);
    }
  }
  if (events.length) throw new Error(`${file} does not end with tables`);
  return { options, checkpoints };
}

/** Every document of a file that has something in it, besides as text. */
function readDocuments(file: string): { content: Document; text: string }[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${file}: ${error.message}`);
    const content = document.toJS() as Document | null;
    return content === null ? [] : { content, text: String(document) };
  });
}

function readExpectations(content: Document): Omit<Checkpoint, 'events' | 'objects'> {
  const unknown = Object.keys(content).find((name) => !EXPECTATIONS.includes(name));
  if (unknown) throw new Error(`a checkpoint has no ${unknown}`);
  return {
    tables: readRows(content.tables) ?? [],
    verdicts: readRows(content.verdicts)?.map(readVerdict),
    echo: readRows(content.echo),
    members: readRows(content.members),
    node: readRows(content.node),
    skipped: content.skipped as string[] | undefined,
    conflicts: content.conflicts as string[] | undefined,
  };
}

/** A text of rows; `none` when there is none. */
function readRows(text: unknown): string[] | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== 'string') throw new Error(`rows are a text, not ${text}`);
  return text === 'none' ? [] : text.trimEnd().split('\n');
}

function readObject(text: string): { id: string; state: ObjectState } {
  const manifest = parseManifest(text, 'yaml');
  if ('unreadable' in manifest) throw new Error(manifest.unreadable);
  const [object] = manifest.objects;
  if (!object) throw new Error(`nothing that an agent watches:\n${text}`);
  const { kind, key, deliver } = object;
  // As the sources do it.
  const isOthers = kind === 'Node' && key !== NODE_NAME;
  const event: Event = (sink) => {
    if (!isOthers) deliver(sink, key);
  };
  return {
    id: `${kind} ${key}`,
    state: { kind, key, events: [event], isGood: isOthers || !('invalid' in parsedBy(event)) },
  };
}

function parsedBy(event: Event): Parsed<unknown> {
  let parsed: Parsed<unknown> | undefined;
  const take = (_: string, what: Parsed<unknown>) => {
    parsed = what;
  };
  event({
    upsertService: take,
    upsertEndpointSlice: take,
    upsertNode: take,
    upsertServiceCidr: take,
    remove() {},
    listed() {},
    unavailable() {},
    noteManifest() {},
  });
  return parsed ?? { ignored: 'nothing was delivered' };
}
