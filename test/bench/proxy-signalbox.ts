// SPDX-License-Identifier: Apache-2.0
// This proxy on a station's node: the real agent.

import path from 'node:path';
import { AgentProcess } from '../lab/agent-process.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { heapMiB, untilProgrammed } from './proxy-progress.ts';
import type { ServiceProxy } from './station.ts';

/** Tens of thousands of Services on a machine that has other things to do. */
const READY_WITHIN_MS = 600_000;

export class SignalboxProxy implements ServiceProxy {
  readonly name = 'signalbox';
  readonly label = 'Signalbox';
  readonly isStandIn = false;
  readonly agent: AgentProcess;
  readonly #changedAtMs: () => number;
  #startedAtMs = 0;
  #readyAtMs = 0;
  #started: Promise<void> | undefined;

  /** @param changedAtMs when something that proxies read was last stored. */
  constructor(lab: Lab, node: LabNode, changedAtMs: () => number) {
    this.#changedAtMs = changedAtMs;
    this.agent = new AgentProcess({
      node,
      kubeconfig: lab.nodeKubeconfig,
      logFile: path.join(lab.directory, `agent-${node.name}.log`),
      compileCache: path.join(lab.directory, 'compile-cache'),
      readyWithinMs: READY_WITHIN_MS,
    });
  }

  get pid(): number | undefined {
    return this.agent.pid;
  }

  begin(): number | undefined {
    if (this.agent.pid !== undefined) return this.agent.pid;
    this.#startedAtMs = Date.now();
    this.#started = this.agent.start().then(() => {
      this.#readyAtMs = Date.now();
    });
    // Whoever waits for it hears of it.
    this.#started.catch(() => {});
    return this.agent.pid;
  }

  async programmed(): Promise<number> {
    await this.#started;
    const passedAtMs = await untilProgrammed(
      this.agent.node,
      { startedAtMs: this.#startedAtMs, changedAtMs: this.#changedAtMs() },
      () => {
        if (this.agent.pid === undefined) throw new Error(`no agent on ${this.agent.node.name}`);
      },
    );
    // It proves that its programs run after the pass, before it says so.
    return Math.max(passedAtMs, this.#readyAtMs);
  }

  end(): Promise<void> {
    return this.agent.stop();
  }

  kill(): Promise<void> {
    return this.agent.kill();
  }

  async cleanup(): Promise<void> {
    const { code, stderr } = await this.agent.run('cleanup');
    if (code !== 0) throw new Error(`signalbox cleanup: ${stderr.trim()}`);
  }

  heapMiB(): Promise<number | undefined> {
    return heapMiB(this.agent.node);
  }
}
