// SPDX-License-Identifier: Apache-2.0
// The agent of a TestNode, the real one: started, ended in every way, started again. What it leaves in the
// kernel is the node's to remove.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { untilReady } from '../lab/agent-ready.ts';
import type { TestNode } from './test-node.ts';

/** A line of the agent's log, as far as tests look. */
export interface LogLine {
  readonly msg?: string;
  readonly [field: string]: unknown;
}

export class TestAgent {
  /** What it is told besides, at every start: `--node-name`, ... */
  flags: readonly string[] = [];
  /** Its environment, besides ours, at every start. */
  env: Readonly<Record<string, string>> = {};
  /** The main.ts of another build, for the next starts; undefined: this one. */
  main: string | undefined;
  /** What starts it, at every start: `nsenter`, ... */
  wrapper: readonly string[] = [];
  readonly #node: TestNode;
  #process: ChildProcess | undefined;
  #ready: Promise<void> = Promise.resolve();
  #log: LogLine[] = [];
  #lines: string[] = [];

  constructor(node: TestNode) {
    this.#node = node;
  }

  /** What it has said since its last start. */
  get log(): readonly LogLine[] {
    return this.#log;
  }

  /** The same as it was printed. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The command line of an agent for the node. @param source where objects come from; default: the manifests. */
  argv(source: readonly string[] = ['--manifests', this.#node.manifests]): string[] {
    const { cgroup, bpffs } = this.#node;
    const where = ['--cgroup', cgroup, '--bpffs', bpffs, '--metrics-bind-address', ''];
    const argv = this.#node.signalboxArgv('agent', ...source, ...where, ...this.flags);
    return this.main === undefined ? argv : argv.with(1, this.main);
  }

  /** Starts it. @returns once everything is programmed and the programs are attached. */
  async start(source?: readonly string[]): Promise<void> {
    this.launch(source);
    await this.#ready;
  }

  /** Starts it and does not wait. */
  launch(source?: readonly string[]): void {
    const child = this.#node.spawn([...this.wrapper, ...this.argv(source)], {
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    const log: LogLine[] = [];
    const lines: string[] = [];
    this.#log = log;
    this.#lines = lines;
    this.#ready = untilReady(child, 'the agent', (line) => {
      lines.push(line);
      log.push(parseLine(line));
    });
    this.#ready.catch(() => {});
  }

  get hasEnded(): boolean {
    const child = this.#process;
    return !!child && (child.exitCode !== null || child.signalCode !== null);
  }

  /** Of the last {@link launch}: how it came out. @returns 'ready', its exit code, or the signal that ended it. */
  async outcome(): Promise<'ready' | number | NodeJS.Signals> {
    const child = this.#process;
    if (!child) throw new Error('the agent was not started');
    try {
      await this.#ready;
      return 'ready';
    } catch (error) {
      const how = child.exitCode ?? child.signalCode;
      if (how === null) throw error;
      return how;
    }
  }

  /** @returns its exit code, null when the signal ended it. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#process;
    if (!child) throw new Error('the agent was not started');
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    }
    return child.exitCode;
  }
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { msg: line };
  }
}
