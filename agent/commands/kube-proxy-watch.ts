// SPDX-License-Identifier: Apache-2.0
// Another proxy on the node, as the agent sees it: looks whether kube-proxy's rules are there or connections that they
// have translated, and has the programs leave those alone for as long (NODE_BESIDE in bpf/abi.h). When told to, takes
// the rules off by itself. What it finds is told by `status`, and at POST /kube-proxy.
//
// Invariant: what keeps those connections translated (nat-keeper.ts) is there before, and as long as, they are.

import { messageOf } from '../errors.ts';
import type { PortRange } from '../model/port-ranges.ts';
import {
  countForeign,
  type ForeignConnections,
  type ForeignTables,
  isPlaceholder,
  pairText,
  placeholderFlow,
} from '../reconcile/foreign-connections.ts';
import {
  type Found,
  findKubeProxyRules,
  formatFound,
  removeKubeProxyRules,
} from '../reconcile/kube-proxy-rules.ts';
import { Looks } from '../reconcile/looks.ts';
import { keepNat, keptFamilies, stopKeepingNat } from '../reconcile/nat-keeper.ts';
import { inSlices, untilAborted } from '../reconcile/slices.ts';
import { translatedEntries } from '../sys/conntrack.ts';
import type { KernelMap } from '../sys/kernel-map.ts';
import { type FlowKey, type FlowValue, type Node, NodeFlags } from '../sys/layout.gen.ts';
import { type NetfilterFamily, tableFamily } from '../sys/netfilter-messages.ts';
import { processesNamed } from '../sys/processes.ts';
import type { Logger } from '../telemetry/log.ts';
import type { KubeProxyStatus } from '../telemetry/status.ts';
import { leaveNoUdpBehind, strandable } from './stranded-udp.ts';

export interface KubeProxyWatchOptions {
  readonly tables: ForeignTables & {
    readonly flows: Pick<KernelMap<FlowKey, FlowValue>, 'get' | 'put' | 'batches' | 'delete'>;
    readonly nodes: Pick<KernelMap<number, Node>, 'get'>;
  };
  /** Whose processes the programs serve. */
  readonly cgroup: string;
  /** A proc file system that shows the processes of the node. */
  readonly proc: string;
  readonly masqueradePorts: PortRange;
  /** Pods' packets are served at their devices, too, so that no socket of theirs is without a translation. */
  readonly servesPodDevices: boolean;
  /** To take the rules off as soon as it may be done. */
  readonly takesOver: boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The programs are to leave to others what they do not know, or no more. */
  readonly onBeside: (isBeside: boolean) => void;
}

/** While connections of others are there, or their end is waited for. Without rules a look costs next to nothing. */
const EVERY_MS = 30_000;
/** Entries of the flow table read in one go: some tenths of a millisecond. */
const BATCH = 1000;
const NOBODY: ForeignConnections = {
  counts: {},
  total: 0,
  families: new Set(),
  stale: [],
  served: new Set(),
  masqueraded: [],
};

export class KubeProxyWatch {
  readonly #options: KubeProxyWatchOptions;
  readonly #looks = new Looks(() => this.#lookAnew());
  #timer: NodeJS.Timeout | undefined;
  #isBeside = false;
  /**
   * Nobody else has served since the last of another proxy's connections has ended: what is translated now is no proxy's
   * (hostPorts, rules of the operator), and is none of our business.
   */
  #isAlone = false;
  #isProven = false;
  #hasTakenOver = false;
  #hasLooked = false;
  #found: Found = { rules: [], hasIpvs: false, problems: [] };
  #connections: ForeignConnections = NOBODY;
  #problems: readonly string[] = [];
  /** Said once, not with every look. */
  #told = '';

  constructor(options: KubeProxyWatchOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  /** undefined when there is nothing of another proxy. */
  get status(): KubeProxyStatus | undefined {
    if (!this.#isBeside && this.#problems.length === 0) return undefined;
    const { rules, hasIpvs } = this.#found;
    return {
      rules: formatFound(rules),
      hasIpvs,
      connections: this.#connections.counts,
      problems: this.#problems,
    };
  }

  /**
   * Before the tables are complete, when it is not known yet whose connections those are: whatever is translated counts.
   * Never throws.
   */
  async begin(): Promise<void> {
    this.#found = await findKubeProxyRules();
    let isBeside = this.#found.rules.length > 0 || this.#found.hasIpvs;
    try {
      this.#isAlone = !isBeside && this.#wasAlone() && keptFamilies().length === 0;
      for (const piece of isBeside || this.#isAlone ? [] : translatedEntries()) {
        isBeside = piece.length > 0;
        if (isBeside) break;
      }
    } catch {
      // What is wrong the first look tells.
    }
    this.#setBeside(isBeside);
  }

  /** The tables are complete, and the programs have been seen to work: `isProven`. */
  async proven(isProven: boolean): Promise<void> {
    this.#isProven = isProven;
    if (this.#options.takesOver) await this.look();
  }

  /** Something may have changed. */
  request(): void {
    void this.look();
  }

  /** Where another proxy has served, UDP may lead to them. */
  backendsLeft(): void {
    if (this.#isBeside) this.request();
  }

  /** Looks anew, and does what there is to do. Wants complete tables. Never throws. */
  look(): Promise<void> {
    return this.#looks.look();
  }

  /** After the signal. @returns when no look touches a table any more. */
  async close(): Promise<void> {
    await this.#looks.idle();
  }

  async #lookAnew(): Promise<void> {
    if (this.#options.signal.aborted) return;
    try {
      await this.#look();
    } catch (error) {
      this.#tell([messageOf(error)]);
    }
    this.#schedule();
  }

  async #look(): Promise<void> {
    const { log, takesOver, servesPodDevices, signal } = this.#options;
    const problems: string[] = [];
    this.#found = await findKubeProxyRules();
    if (signal.aborted) return;
    problems.push(...this.#found.problems);
    await this.#keep(new Set(this.#found.rules.map(({ family }) => family)), problems);
    if (takesOver && this.#isProven && this.#found.rules.length > 0) {
      problems.push(...(await this.#takeOver()));
      this.#found = await findKubeProxyRules();
    }
    // What could not be looked at may be there still.
    const isUnknown = this.#isBeside && this.#found.problems.length > 0;
    const hasRules = this.#found.rules.length > 0 || this.#found.hasIpvs || isUnknown;
    if (hasRules) this.#isAlone = false;
    if (this.#isAlone) {
      this.#tell(problems);
      return;
    }
    // Where the rules are, whoever has made them looks after UDP.
    const mayBeStranded = !hasRules && (this.#isBeside || !this.#hasLooked);
    const sockets = mayBeStranded && !servesPodDevices ? strandable(this.#options) : [];
    this.#hasLooked = true;
    const pairs = new Set(sockets.map(({ local, peer }) => pairText(local, peer)));
    let connections = await this.#count(pairs);
    // Entries may be missed while conntrack makes its table larger: the last of them are looked for twice.
    if (connections?.total === 0 && this.#isBeside) connections = await this.#count(pairs);
    if (!connections) return;
    this.#connections = connections;
    await this.#keep(new Set([...connections.families].map(tableFamily)), problems);
    this.#reservePorts(connections);
    const isBeside = hasRules || connections.total > 0;
    if (!hasRules) problems.push(...leaveNoUdpBehind(connections, sockets, this.#options));
    if (!isBeside) {
      await this.#end();
      this.#isAlone = this.#found.problems.length === 0;
    }
    if (isBeside !== this.#isBeside) {
      log.info(
        { rules: formatFound(this.#found.rules), connections: connections.counts },
        isBeside ? 'another proxy serves beside' : 'nothing is left of another proxy',
      );
    }
    this.#setBeside(isBeside);
    this.#tell(problems);
  }

  /** As the last agent has left it. */
  #wasAlone(): boolean {
    const node = this.#options.tables.nodes.get(0);
    if (!node || node.netnsCookie === 0n) return false;
    return (node.flags & (NodeFlags.BESIDE | NodeFlags.DRAINING)) === 0;
  }

  async #keep(families: ReadonlySet<NetfilterFamily>, problems: string[]): Promise<void> {
    try {
      await keepNat(families);
    } catch (error) {
      problems.push(
        `connections of kube-proxy would not outlive its rules: ${messageOf(error)}${hintOf(error)}`,
      );
    }
  }

  /** @returns why not. */
  async #takeOver(): Promise<string[]> {
    const { log, proc } = this.#options;
    const { rules, hasIpvs } = this.#found;
    if (hasIpvs) return ['kube-proxy is in its mode ipvs: it cannot be taken over from'];
    if (this.#hasTakenOver) {
      return [
        'kube-proxy’s rules were removed and are there again: does it still run on this node?',
      ];
    }
    if (keptFamilies().length === 0)
      return ['kube-proxy’s rules stay: its connections would break'];
    const [pid] = processesNamed('kube-proxy', proc);
    if (pid !== undefined) return [`kube-proxy still runs (pid ${pid}): its rules stay`];
    this.#hasTakenOver = true;
    for (const { kept, ...removed } of await removeKubeProxyRules(rules)) {
      log.info({ ...removed, ...(kept.length && { kept }) }, 'removed rules of kube-proxy');
    }
    return [];
  }

  /** @returns undefined when the agent ended meanwhile. */
  #count(pairs: ReadonlySet<string>): Promise<ForeignConnections | undefined> {
    const { tables, masqueradePorts, signal } = this.#options;
    const { first, count } = masqueradePorts;
    const isMasqueradePort = (port: number) => port >= first && port < first + count;
    const work = countForeign(translatedEntries(), tables, { pairs, isMasqueradePort });
    return inSlices(untilAborted(work, signal));
  }

  /** So that no flow of ours looks like one of those connections to its backend. */
  #reservePorts({ masqueraded }: ForeignConnections): void {
    const { flows } = this.#options.tables;
    const nowNs = process.hrtime.bigint();
    const missing = masqueraded
      .map((reply) => placeholderFlow(reply, nowNs))
      .filter(([key]) => flows.get(key) === undefined);
    flows.put(missing);
  }

  /** Nothing is left of it. */
  async #end(): Promise<void> {
    const { flows } = this.#options.tables;
    if (!this.#isBeside && keptFamilies().length === 0) return;
    for (const piece of flows.batches(BATCH)) {
      flows.delete(piece.filter(([key, value]) => isPlaceholder(key, value)).map(([key]) => key));
    }
    await stopKeepingNat();
  }

  #setBeside(isBeside: boolean): void {
    this.#isBeside = isBeside;
    this.#options.onBeside(isBeside);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const isWaiting = this.#options.takesOver && !this.#hasTakenOver;
    const isSoon = this.#isBeside && (isWaiting || this.#found.rules.length === 0);
    if (!isSoon || this.#options.signal.aborted) return;
    this.#timer = setTimeout(() => this.request(), EVERY_MS).unref();
  }

  #tell(problems: readonly string[]): void {
    this.#problems = problems;
    const text = problems.join('; ');
    if (text && text !== this.#told) {
      this.#options.log.warn({ problems }, 'another proxy on this node');
    }
    this.#told = text;
  }
}

function hintOf(error: unknown): string {
  const { hint } = error as { hint?: string };
  return hint === undefined ? '' : ` (${hint})`;
}
