// SPDX-License-Identifier: Apache-2.0
// The invariants, looked at after every single write and whenever an agent has done with what it took up: each look-up
// is the old one or the new one, whole; nothing goes before all is known; what is missing is named. Used by world.ts.

import type { ObjectKey } from '../../agent/model/objects.ts';
import type { NodeView } from '../../agent/reconcile/reconciler.ts';
import type { FrontendKey } from '../../agent/sys/layout.gen.ts';
import type { Attempt, TableName } from '../helpers/fake-tables.ts';
import { brokenLookups, leftOvers, slotsNeeded } from '../helpers/table-view.ts';
import type { AgentLife } from './agent-life.ts';
import { IdWatch } from './id-watch.ts';
import { KnownStates, type Rows, serviceRows } from './known-states.ts';
import type { Frontend, KernelObserver, SimulatedKernel } from './simulated-kernel.ts';
import { SlotWatch } from './slot-watch.ts';
import { contentsOf, differing } from './table-contents.ts';
import type { VirtualTime } from './virtual-time.ts';

/** So many audits after a stranger's hand it is mended: the first may have been under way. */
const AUDITS = 2;

/** Of a node of which nothing is known. */
const NO_ADDRESSES = '0.0.0.0 ::';

/** Tables that neither rows nor look-ups depend on, but for slots that a frontend names, which nobody writes. */
const ASIDE: ReadonlySet<TableName> = new Set(['slots']);

export class TableWatch implements KernelObserver {
  /** How often the tables were looked at. */
  looks = 0;
  readonly #time: VirtualTime;
  readonly #kernel: () => SimulatedKernel;
  readonly #agent: () => AgentLife | undefined;
  readonly #onProblem: (problem: string) => void;
  #states: KnownStates | undefined;
  #rows: Rows = new Map();
  /** Audits since a stranger's hand was in the tables; undefined: none was, or all of it is mended. */
  #audits: number | undefined;
  readonly #slots = new SlotWatch();
  #ids = new IdWatch();
  #isHand = false;
  /** What of the node the agent has taken up. */
  #nodeTaken: NodeView | undefined;

  constructor(
    time: VirtualTime,
    kernel: () => SimulatedKernel,
    agent: () => AgentLife | undefined,
    onProblem: (problem: string) => void,
  ) {
    this.#time = time;
    this.#kernel = kernel;
    this.#agent = agent;
    this.#onProblem = onProblem;
  }

  /** A new agent finds the tables as they are. */
  begun(): void {
    this.#states = new KnownStates(this.#rows);
    this.#ids = new IdWatch();
    this.#slots.restarted();
  }

  /** The agent has been told of something. */
  told(): void {
    const agent = this.#agent();
    if (agent?.cluster.synced) this.#states?.add(agent.state);
  }

  /** A stranger's writes. What they lead to is looked at once the agent has mended it. */
  tamper(body: () => void): void {
    this.#isHand = true;
    this.#audits = 0;
    this.#kernel().byHand(body);
    this.#isHand = false;
  }

  audited(): void {
    if (this.#audits !== undefined) this.#audits += 1;
  }

  killed(): void {}

  settling(): () => void {
    return this.#slots.settling();
  }

  writing({ table, operation, key }: Attempt): void {
    const agent = this.#agent();
    const kernel = this.#kernel();
    if (!agent?.cluster.synced) this.#onProblem(`a write to ${table} before all was listed`);
    const isTampered = this.#audits !== undefined;
    if (table === 'slots' && operation === 'put') {
      this.#note(this.#slots.problemOf(Number(key), this.#time.nowMs, isTampered));
    }
    if (table === 'servicePorts' && agent?.reconciler) {
      const { actual } = agent.reconciler;
      const { clearedCounters } = kernel.tables;
      const id = Number(key);
      if (operation === 'delete') this.#ids.released(id, actual);
      else if (!isTampered)
        this.#note(this.#ids.problemOf(id, actual, kernel.view, clearedCounters));
    }
  }

  written({ table, key }: Attempt, before: Frontend | undefined): void {
    const kernel = this.#kernel();
    if (table === 'frontends') {
      const after = kernel.frontend(key as FrontendKey);
      const frontend = key as FrontendKey;
      this.#slots.replaced(frontend, before?.[1], after, this.#time.nowMs, this.#isHand);
    }
    if (ASIDE.has(table)) return;
    const rowsBefore = this.#rows;
    this.#rows = new Map([...serviceRows(kernel.view), ...kernel.nodeRows]);
    this.looks += 1;
    if (this.#audits !== undefined) return;
    for (const row of changed(rowsBefore, this.#rows)) {
      this.#note(this.#states?.step(row, this.#rows.get(row)));
      this.#note(this.#forgotten(row, rowsBefore));
    }
    for (const problem of brokenLookups(kernel.view)) this.#note(problem);
  }

  /** The agent takes up what it has been told by now. */
  takenUp(): void {
    this.#nodeTaken = this.#agent()?.state.node;
  }

  /** The agent has done with what it took up. */
  done(): void {
    const agent = this.#agent();
    const reconciler = agent?.reconciler;
    const states = this.#states;
    if (!agent || !reconciler || !states || this.#kernel().isDead) return;
    if (reconciler.isCutShort) {
      if (!agent.problem) this.#onProblem('a pass was cut short, and nothing is told of it');
      return;
    }
    const failures = new Set(reconciler.failures.map(({ service }) => service));
    const hasFailed = failures.size > 0 || reconciler.nodeFailures.length > 0;
    if (this.#audits !== undefined && (this.#audits < AUDITS || hasFailed)) return;
    if (agent.isDirty || agent.state.node !== this.#nodeTaken) return;
    this.#audits = undefined;
    this.#compare(states, failures, reconciler.nodeFailures);
    if (!hasFailed) states.forgetOlder();
  }

  /** What must hold when nothing is wrong any more, and nothing has happened for long. */
  atRest(): void {
    const agent = this.#agent();
    const reconciler = agent?.reconciler;
    const { view } = this.#kernel();
    if (!reconciler) {
      this.#onProblem('there is no agent');
      return;
    }
    for (const { service, message } of reconciler.failures) {
      this.#onProblem(`at rest ${service} has failed: ${message}`);
    }
    for (const failure of reconciler.nodeFailures) this.#onProblem(`at rest: ${failure}`);
    if (this.#audits !== undefined)
      this.#onProblem("at rest a stranger's hand has not been looked for");
    for (const problem of [...brokenLookups(view), ...leftOvers(view)]) this.#onProblem(problem);
    const needed = slotsNeeded(view);
    const used = reconciler.slotsUsed;
    if (used !== needed) this.#onProblem(`${used} slots are in use and ${needed} are needed`);
  }

  /** One that is named too long is only so until it is tried again: at rest none may be. */
  #compare(
    states: KnownStates,
    failures: ReadonlySet<ObjectKey>,
    nodeFailures: readonly string[],
  ): void {
    const { rows, tables } = states.newest;
    if (!tables) return;
    const [held, wanted] = [contentsOf(this.#kernel().view), contentsOf(tables)];
    const missing = differing(held, wanted);
    for (const service of missing) {
      if (failures.has(service as ObjectKey)) continue;
      const [is, isToBe] = [held, wanted].map((of) => of.get(service) ?? 'nothing');
      this.#onProblem(
        `${service} is not as it is to be, and no failure says so:\n${is}\nnot\n${isToBe}`,
      );
    }
    for (const row of changed(rows, this.#rows)) {
      const isOfNode = /^(node|serviceCIDR|clusterCIDR)/.test(row);
      if (isOfNode && !nodeFailures.length) this.#onProblem(`${row} is not ${rows.get(row)}`);
    }
  }

  /** What an agent before was told of the node stays until this one is told. */
  #forgotten(row: string, before: Rows): string | undefined {
    const cluster = this.#agent()?.cluster;
    const now = this.#rows.get(row);
    const isLost = before.has(row) && (now === undefined || now.startsWith(NO_ADDRESSES));
    const isOfNode = row === 'node' || row.startsWith('clusterCIDR');
    const kind = isOfNode ? 'Node' : row.startsWith('serviceCIDR') ? 'ServiceCIDR' : undefined;
    // What another proxy serves, Services say.
    if (!kind || !isLost || before.get(row) === 'left alone') return undefined;
    return cluster?.isKnown(kind) ? undefined : `${row} goes before any ${kind} is known`;
  }

  #note(problem: string | undefined): void {
    if (problem !== undefined) this.#onProblem(problem);
  }
}

function changed(before: Rows, after: Rows): Set<string> {
  const keys = [...before.keys(), ...after.keys()];
  return new Set(keys.filter((key) => before.get(key) !== after.get(key)));
}
