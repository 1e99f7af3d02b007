// SPDX-License-Identifier: Apache-2.0
// One node's agent, the real one, as its DaemonSet would run it. It leaves its programs and pins behind
// when it ends, on purpose; remove() takes them off.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabNode } from './lab-node.ts';
import type { CommandResult } from './run-command.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const READY_WITHIN_MS = 20_000;
const LINES_TO_QUOTE = 5;

export interface AgentOptions {
  readonly node: LabNode;
  readonly kubeconfig: string;
  readonly logFile: string;
  /** More flags for `signalbox agent`. */
  readonly flags?: readonly string[];
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

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it. @returns once it has said that everything is programmed. */
  async start(): Promise<void> {
    const { node, kubeconfig, flags = [] } = this.#options;
    const where = ['--cgroup', node.cgroup, '--bpffs', node.bpffs];
    const argv = [
      'agent',
      '--kubeconfig',
      kubeconfig,
      '--node-name',
      node.name,
      ...where,
      ...flags,
    ];
    const child = node.spawn([process.execPath, MAIN, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    this.#log ??= createWriteStream(this.logFile, { flags: 'a' });
    await this.#waitForReady(child, this.#log);
  }

  /** As the kubelet stops it. */
  terminate(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Without any warning: kill -9. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.terminate();
    await this.start();
  }

  /** Runs another subcommand against what this node's kernel holds: `status`, `services`, ... */
  run(subcommand: string, ...args: string[]): Promise<CommandResult> {
    const { node } = this;
    return node.run([process.execPath, MAIN, subcommand, '--bpffs', node.bpffs, ...args]);
  }

  /** Ends it and takes every trace of it off its node. */
  async remove(): Promise<void> {
    if (!this.#process) return;
    await this.kill();
    this.#log?.end();
    const { code, stderr } = await this.run('cleanup');
    if (code !== 0) throw new Error(`signalbox cleanup on ${this.node.name}: ${stderr.trim()}`);
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  #waitForReady(child: ChildProcess, log: WriteStream): Promise<void> {
    return new Promise((resolve, reject) => {
      const said: string[] = [];
      const fail = (what: string) => {
        const words = said.slice(-LINES_TO_QUOTE).join('\n');
        reject(new Error(`agent on ${this.node.name} ${what}: ${this.logFile}\n${words}`));
      };
      const timer = setTimeout(() => fail('is not ready in time'), READY_WITHIN_MS);
      child.once('error', (error) => fail(`cannot start (${error.message})`));
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended (${signal ?? code}) before it was ready`);
      });
      for (const stream of [child.stdout, child.stderr]) {
        if (!stream) continue;
        createInterface({ input: stream }).on('line', (line) => {
          log.write(`${line}\n`);
          said.push(line);
          if (said.length > LINES_TO_QUOTE) said.shift();
          if (!isReadyLine(line)) return;
          clearTimeout(timer);
          resolve();
        });
      }
    });
  }
}

function isReadyLine(line: string): boolean {
  if (!line.includes('"ready"')) return false;
  try {
    return (JSON.parse(line) as { msg?: unknown }).msg === 'ready';
  } catch {
    return false;
  }
}
