// SPDX-License-Identifier: Apache-2.0
// An agent as the scenarios need it: it hears events, and is looked at. Used by scenarios.test.ts.

import type { ExecutionContext } from 'ava';
import { familyOf } from '../../agent/model/address.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Explainer } from '../../agent/model/explain.ts';
import type { Explanation, Query } from '../../agent/model/explanation.ts';
import type { NodeFacts } from '../../agent/model/node-facts.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { assertNone } from '../helpers/old-or-new.ts';
import {
  brokenLookups,
  entryCounts,
  leftOvers,
  lookAt,
  NO_ENTRIES,
  rowsOf,
} from '../helpers/table-view.ts';
import { type Client, ClientView, outcomeOf } from './client-view.ts';
import { address, factsOf, type NodeOptions, nodeViewOf } from './node-options.ts';
import { memberRows, nodeRows } from './node-rows.ts';
import type { Checkpoint, Event } from './scenario.ts';
import { queryText, verdictLine } from './verdicts.ts';

/** Clients of each kind and family, besides those of the scenario. */
const CLIENTS: readonly Query['from'][] = [
  'host',
  'external',
  ...['10.244.1.100', 'fd01::1:100', '203.0.113.9', '2001:db8:9::9'].map(address),
];

export class ScenarioAgent {
  readonly #t: ExecutionContext;
  readonly #tables: KernelTables;
  readonly #options: NodeOptions;
  readonly #cluster = new ClusterState();
  readonly #reconciler: Reconciler;
  /** Of the node's own tables, when there was no object yet. */
  #atFirst: readonly string[] | undefined;

  constructor(t: ExecutionContext, tables: KernelTables, options: NodeOptions) {
    this.#t = t;
    this.#tables = tables;
    this.#options = options;
    const observer = { passed() {}, audited() {} };
    this.#reconciler = new Reconciler(this.#cluster, tables, observer, () =>
      nodeViewOf(this.#facts()),
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
    const { members, node, skipped, conflicts } = checkpoint;
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

  /** What is explained and what the tables say to a client is the same, whoever asks for whatever is there. */
  agreesWithItsTables({ verdicts = [] }: Checkpoint): void {
    const explainer = this.#explainer();
    const view = new ClientView(this.#tables);
    const asked = verdicts.map(({ query }) => query);
    const clients = new Set([...CLIENTS, ...asked.map(({ from }) => from)]);
    const destinations = [...view.destinations(), ...asked.map(({ to }) => to)];
    const opinions = destinations.flatMap((to) =>
      [...clients]
        .filter((from) => canDial(from, to))
        .map((from) => {
          const explanation = explainer.explain({ from, to });
          const what = queryText({ from, to });
          return [
            `${what} -> ${outcomeOf(explanation)}`,
            `${what} -> ${view.outcome(this.#client(explanation), to)}`,
          ] as const;
        }),
    );
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

  /** The node itself comes from its node IP. */
  #client({ query: { from, to }, origin }: Explanation): Client {
    if (from === 'external') return { origin, address: undefined };
    if (from !== 'host') return { origin, address: from };
    const family = familyOf(to.address);
    return { origin, address: this.#facts().nodeIPs.find((ip) => familyOf(ip) === family) };
  }
}

/** Nobody's address is of the other family than what he dials. */
function canDial(from: Query['from'], to: Query['to']): boolean {
  return from === 'host' || from === 'external' || familyOf(from) === familyOf(to.address);
}
