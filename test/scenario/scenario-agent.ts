// SPDX-License-Identifier: Apache-2.0
// An agent as the scenarios need it: it hears events, and is looked at. Used by scenarios.test.ts.

import type { ExecutionContext } from 'ava';
import { type KernelDecision, kernelDecision } from '../../agent/commands/explain-kernel.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Explainer } from '../../agent/model/explain.ts';
import type { Query } from '../../agent/model/explanation.ts';
import type { NodeFacts } from '../../agent/model/node-facts.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import type { Tables } from '../../agent/sys/datapath.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { assertNone } from '../helpers/old-or-new.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { lookupsIn } from '../helpers/table-lookups.ts';
import {
  brokenLookups,
  entryCounts,
  leftOvers,
  lookAt,
  NO_ENTRIES,
  rowsOf,
} from '../helpers/table-view.ts';
import { factsOf, type NodeOptions, nodeViewOf } from './node-options.ts';
import { echoRows, memberRows, nodeRows } from './node-rows.ts';
import { questionsAbout } from './questions.ts';
import type { Checkpoint, Event } from './scenario.ts';
import { endpointText, queryText, verdictLine } from './verdicts.ts';

export class ScenarioAgent {
  readonly #t: ExecutionContext;
  readonly #tables: FakeTables | Tables;
  readonly #options: NodeOptions;
  readonly #cluster = new ClusterState();
  readonly #reconciler: Reconciler;
  /** Of the node's own tables, when there was no object yet. */
  #atFirst: readonly string[] | undefined;

  constructor(t: ExecutionContext, tables: FakeTables | Tables, options: NodeOptions) {
    this.#t = t;
    this.#tables = tables;
    this.#options = options;
    this.#reconciler = new Reconciler(this.#cluster, tables, SILENT, () =>
      nodeViewOf(this.#facts(), this.#cluster),
    );
    if (tables instanceof FakeTables) {
      tables.afterWrite = () => assertNone(brokenLookups(tables));
    }
  }

  async hears(events: readonly Event[]): Promise<void> {
    this.#atFirst ??= await this.#hearsNothing();
    for (const event of events) event(this.#cluster);
    const { failures } = await this.#reconciler.reconcileChanges();
    this.#t.deepEqual(failures, []);
  }

  /** The same again is no change (semantics 1.4). */
  async hearsNoNews({ objects }: Checkpoint): Promise<void> {
    for (const { events } of objects.values()) for (const event of events) event(this.#cluster);
    const { services, steps } = await this.#reconciler.reconcileChanges();
    this.#t.deepEqual({ services, steps }, { services: 0, steps: 0 });
  }

  holds(checkpoint: Checkpoint): void {
    const t = this.#t;
    const view = lookAt(this.#tables);
    t.deepEqual(rowsOf(view), [...checkpoint.tables].sort());
    t.deepEqual(brokenLookups(view), []);
    t.deepEqual(leftOvers(view), []);
    const { echo, members, node, skipped, conflicts } = checkpoint;
    if (echo) t.deepEqual(echoRows(view), [...echo].sort());
    if (members) t.deepEqual(memberRows(view), [...members].sort());
    if (node) t.deepEqual(nodeRows(this.#tables), [...node].sort());
    if (skipped) {
      const named = this.#cluster.skipped.map(({ kind, key }) => `${kind} ${key}`);
      t.deepEqual(named.sort(), [...skipped]);
    }
    if (conflicts) {
      const named = this.#reconciler.conflicts.map(
        ({ frontend, owner, others }) => `${frontend} of ${owner}; ${others.join(', ')}`,
      );
      t.deepEqual(named, [...conflicts]);
    }
    this.#explains(checkpoint);
  }

  /** What is explained and what the tables say is the same, whoever asks for whatever is in them. */
  agreesWithItsTables({ verdicts = [] }: Checkpoint): void {
    const explainer = this.#explainer();
    const tables = lookupsIn(this.#tables);
    const asked = verdicts.map(({ query }) => query);
    const opinions = questionsAbout(this.#tables, asked).map((query) => {
      const { verdict, backends, origin } = explainer.explain(query);
      const explained = { verdict, backends: backends.map(({ backend }) => backend) };
      return [explained, kernelDecision(tables, query, origin)].map((one) => outcome(query, one));
    });
    this.#t.deepEqual(
      opinions.map(([explained]) => explained),
      opinions.map(([, inTables]) => inTables),
    );
  }

  /** Every object goes, and with them every entry. */
  async ends({ objects }: Checkpoint): Promise<void> {
    await this.hears(
      [...objects.values()].map(
        ({ kind, key }) =>
          (sink) =>
            sink.remove(kind, key),
      ),
    );
    this.#t.deepEqual(entryCounts(this.#tables), NO_ENTRIES);
    this.#t.deepEqual(nodeRows(this.#tables), this.#atFirst);
  }

  async #hearsNothing(): Promise<readonly string[]> {
    await this.#reconciler.reconcileChanges();
    return nodeRows(this.#tables);
  }

  #explains({ verdicts = [] }: Checkpoint): void {
    const explainer = this.#explainer();
    this.#t.deepEqual(
      verdicts.map((expected) => verdictLine(explainer.explain(expected.query), expected)),
      verdicts.map(({ line }) => line),
    );
  }

  #explainer(): Explainer {
    return new Explainer(this.#cluster, this.#facts());
  }

  #facts(): NodeFacts {
    return factsOf(this.#options, this.#cluster);
  }
}

/** `external tcp/10.96.0.1:80 -> forward 10.244.1.2:8080` */
function outcome(
  query: Query,
  { verdict, backends }: Pick<KernelDecision, 'verdict' | 'backends'>,
): string {
  return [`${queryText(query)} ->`, verdict, ...backends.map(endpointText)].join(' ');
}
