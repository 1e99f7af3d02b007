// SPDX-License-Identifier: Apache-2.0
// A world of a simulation: a cluster, a server that shows it, a kernel, and agents one after another, in a time of their
// own. Tells a story step by step, and of the first thing that must not be. Used by test/fuzz/simulation.test.ts.

import { watchedResources } from '../../agent/cluster/watched-resources.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { AgentLife, NODE_NAME } from './agent-life.ts';
import { nodeObject, serviceCidrObject, writeOf } from './api-objects.ts';
import { type Chance, chanceOf } from './chance.ts';
import { expectedTables, stateOf } from './expected-tables.ts';
import { SimulatedApi } from './simulated-api.ts';
import { SimulatedKernel } from './simulated-kernel.ts';
import type { Step, Story } from './steps.ts';
import { contentsOf, differing } from './table-contents.ts';
import { TableWatch } from './table-watch.ts';
import { VirtualTime } from './virtual-time.ts';

/** Of all stories so far. */
export interface Tally {
  worlds: number;
  steps: number;
  virtualMs: number;
  lives: number;
  kills: number;
  writes: number;
  refused: number;
  looks: number;
  rests: number;
}

/** What must not be, and after how many steps. */
export interface Problem {
  readonly step: number;
  readonly problem: string;
}

/** Longer than the longest wait of an agent for a kind that the server did not show, and some audits on top. */
const REST_MS = 25 * 60_000;
/** In which everything of an agent that has ended comes to its end. */
const LAST_MS = 60_000;
/** Promises of one agent that may wait for their time at once, of everything. */
const MOST_WAITING = 60;
/** Who cannot start is started again later and later. */
const NOT_STARTED_MS = 10_000;
/** In the longest wait. */
const MOST_EVENTS = 50_000;
const MOST_SLOTS = 2 ** 18;

/** @returns the first problem, if there is one. @param tally is added to. */
export async function tell(story: Story, tally: Tally): Promise<Problem | undefined> {
  const world = new World(story, tally);
  const end = world.time.install();
  try {
    return await world.tell();
  } finally {
    end();
  }
}

class World {
  readonly time: VirtualTime;
  readonly #story: Story;
  readonly #tally: Tally;
  readonly #chance: Chance;
  readonly #api: SimulatedApi;
  readonly #kernel: SimulatedKernel;
  readonly #watch: TableWatch;
  #agent: AgentLife | undefined;
  #problem: string | undefined;
  #downMs = 1000;

  constructor(story: Story, tally: Tally) {
    this.#story = story;
    this.#tally = tally;
    this.#chance = chanceOf(story.chance);
    this.time = new VirtualTime(this.#chance);
    this.#api = new SimulatedApi(this.time, this.#chance);
    this.#watch = new TableWatch(
      this.time,
      () => this.#kernel,
      () => this.#agent,
      (problem) => this.#fail(problem),
    );
    this.#kernel = new SimulatedKernel(story.slots, this.time, this.#chance, this.#watch);
  }

  async tell(): Promise<Problem | undefined> {
    this.time.slowness = this.#story.slowness;
    this.#begin();
    const { steps } = this.#story;
    for (const [i, step] of steps.entries()) {
      this.#do(step);
      if (step.step === 'rest') await this.#rest();
      else await this.#pass(step.waitMs);
      this.#checkBounds();
      if (this.#problem !== undefined) return this.#ended(i + 1);
    }
    await this.#rest();
    return this.#ended(steps.length);
  }

  #do(step: Step): void {
    const api = this.#api;
    const kernel = this.#kernel;
    switch (step.step) {
      case 'change':
        api.change(writeOf(step.change, step.disguise));
        break;
      case 'absence':
        api.beGone(step.ms);
        for (const change of step.changes) api.change(writeOf(change, 'none'));
        api.compact();
        break;
      case 'node':
        api.change({
          kind: 'Node',
          key: NODE_NAME,
          ...(step.fields && { object: nodeObject(NODE_NAME, step.fields) }),
        });
        break;
      case 'serviceCIDR':
        api.change({
          kind: 'ServiceCIDR',
          key: step.name,
          ...(step.cidrs.length && { object: serviceCidrObject(step.name, step.cidrs) }),
        });
        break;
      case 'line':
        api.spoil(step.kind, step.fault);
        break;
      case 'outage':
        api.setOutage(step.kind, step.outage);
        break;
      case 'compact':
        api.compact();
        break;
      case 'lag':
        api.lag(step.kind, step.changes);
        break;
      case 'network':
        api.delayMs = step.delayMs;
        api.pageSize = step.pageSize;
        break;
      case 'writes':
        kernel.writes = step.refusals;
        break;
      case 'reads':
        kernel.reads = step.refusals;
        break;
      case 'settling':
        kernel.settles = { errno: 12, likelihood: step.likelihood };
        break;
      case 'room':
        kernel.room = { [step.table]: step.entries };
        break;
      case 'hand':
        this.#watch.tamper(() => step.hand.on(kernel.tables));
        break;
      case 'slow':
        this.time.slowness = step.slowness;
        break;
      case 'kill':
        this.#downMs = step.downMs;
        if (step.deafTo) api.setOutage(step.deafTo, '429');
        if (!kernel.isDead) kernel.killIn = step.writes;
        break;
      case 'upgrade':
        this.#downMs = step.downMs;
        this.#agent?.end();
        break;
    }
  }

  #begin(): void {
    if (this.#problem !== undefined) return;
    this.#tally.lives += 1;
    this.#kernel.isDead = false;
    this.#watch.begun();
    const agent = new AgentLife(this.#api, this.#kernel, this.time, this.#chance, {
      told: () => this.#watch.told(),
      begun: () => this.#watch.takenUp(),
      done: () => this.#watch.done(),
      audited: () => this.#watch.audited(),
      problem: (problem) => this.#fail(problem),
    });
    this.#agent = agent;
    void agent.ended.then(() => {
      if (this.#kernel.isDead) this.#tally.kills += 1;
      this.#kernel.isDead = true;
      this.#kernel.killIn = undefined;
      this.#agent = undefined;
      this.time.after(agent.reconciler ? this.#downMs : NOT_STARTED_MS, () => this.#begin());
    });
  }

  /** Nothing is wrong any more: all must come right by itself. */
  async #rest(): Promise<void> {
    this.#tally.rests += 1;
    this.#api.endFaults();
    this.#kernel.endFaults();
    this.time.slowness = 0;
    await this.#pass(REST_MS);
    if (this.#problem !== undefined) return;
    this.#watch.atRest();
    const deaf = this.#agent?.deaf ?? [];
    if (deaf.length) this.#fail(`at rest nothing is heard of ${deaf.join(', ')}`);
    if (this.#agent) this.#compareWithServer(this.#agent);
  }

  /** The tables are those of a cluster of which everything has just been listed. */
  #compareWithServer(agent: AgentLife): void {
    const cluster = new ClusterState();
    for (const resource of watchedResources(NODE_NAME)) {
      const objects = this.#api.history.at(resource.kind);
      for (const [key, object] of objects) resource.parse(object)(cluster, key);
    }
    const { node } = agent.state;
    const wanted = contentsOf(expectedTables(stateOf(cluster, node)));
    for (const service of differing(contentsOf(this.#kernel.view), wanted)) {
      this.#fail(`at rest ${service} is not as the server has it`);
    }
  }

  #checkBounds(): void {
    if (this.time.waiting > MOST_WAITING) this.#fail(`${this.time.waiting} things wait`);
    const { capacity } = this.#kernel.tables.slots;
    if (capacity > MOST_SLOTS) this.#fail(`${capacity} slots`);
  }

  #pass(ms: number): Promise<void> {
    let events = 0;
    return this.time.run(ms, () => {
      events += 1;
      if (events > MOST_EVENTS) this.#fail(`${events} things happen in ${ms} ms`);
      return this.#problem !== undefined;
    });
  }

  #fail(problem: string): void {
    this.#problem ??= problem;
  }

  async #ended(step: number): Promise<Problem | undefined> {
    const problem = this.#problem;
    // Whatever of it still waits must not meet the time of the next world.
    this.#problem ??= 'over';
    this.#kernel.endFaults();
    this.#kernel.isDead = true;
    this.#agent?.end();
    await this.time.run(LAST_MS);
    const tally = this.#tally;
    tally.worlds += 1;
    tally.steps += step;
    tally.virtualMs += this.time.nowMs;
    tally.writes += this.#kernel.count;
    tally.refused += this.#kernel.refused;
    tally.looks += this.#watch.looks;
    return problem === undefined ? undefined : { step, problem };
  }
}
