// SPDX-License-Identifier: Apache-2.0
// One node's agent, the real one, as its DaemonSet would run it. It leaves its programs and pins behind
// when it ends, on purpose; remove() takes them off.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { untilReady } from './agent-ready.ts';
import type { LabNode } from './lab-node.ts';
import type { CommandResult } from './run-command.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** As the image has it: compiled code is kept, and room for what is young is small. */
const NODE_OPTIONS = '--max-semi-space-size=4';

export interface AgentOptions {
  readonly node: LabNode;
  readonly kubeconfig: string;
  readonly logFile: string;
  /** A directory for compiled code. */
  readonly compileCache: string;
  /** How long a start may take: default as long as with some hundreds of Services. */
  readonly readyWithinMs?: number;
}

export class AgentProcess {
  readonly node: LabNode;
  readonly logFile: string;
  readonly #options: AgentOptions;
  #log: WriteStream | undefined;
  #process: ChildProcess | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.node = options.node;
    this.logFile = options.logFile;
  }

  /** While it runs. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Starts it. @returns once it has said that everything is programmed. */
  async start(): Promise<void> {
    const { node, kubeconfig } = this.#options;
    const where = ['--cgroup', node.cgroup, '--bpffs', node.bpffs];
    const argv = ['agent', '--kubeconfig', kubeconfig, '--node-name', node.name, ...where];
    const child = node.spawn([process.execPath, MAIN, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#env,
    });
    this.#process = child;
    this.#log ??= createWriteStream(this.logFile, { flags: 'a' });
    const log = this.#log;
    const name = `agent on ${node.name}, with its log in ${this.logFile},`;
    const { readyWithinMs } = this.#options;
    await untilReady(child, name, (line) => log.write(`${line}\n`), readyWithinMs);
  }

  /** Without any warning: kill -9. */
  kill(): Promise<void> {
    return this.stop('SIGKILL');
  }

  /** Ends it as a kubelet does; programs and tables stay at work. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#running;
    if (!child) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Runs another subcommand against what this node's kernel holds: `status`, `services`, ... */
  run(subcommand: string, ...args: string[]): Promise<CommandResult> {
    const { node } = this;
    const argv = [process.execPath, MAIN, subcommand, '--bpffs', node.bpffs, ...args];
    return node.run(argv, { env: this.#env });
  }

  get #running(): ChildProcess | undefined {
    const child = this.#process;
    return child?.exitCode === null && child.signalCode === null ? child : undefined;
  }

  /** Compiled once and not for each start and command: half of what one costs. */
  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, NODE_OPTIONS, NODE_COMPILE_CACHE: this.#options.compileCache };
  }

  /** Ends it and takes every trace of it off its node. */
  async remove(): Promise<void> {
    if (!this.#process) return;
    await this.kill();
    this.#log?.end();
    const { code, stderr } = await this.run('cleanup');
    if (code !== 0) throw new Error(`signalbox cleanup on ${this.node.name}: ${stderr.trim()}`);
  }
}
