// SPDX-License-Identifier: Apache-2.0
// One node for tests that need no cluster: a network namespace, a cgroup, pins and a folder of manifests
// of its own, and an agent when it is started. Every address of the pod and Service networks below is
// local here, so that echo-backends answers on all of them: whatever a connection reaches says its name,
// the wrong backend too, and so does an address that should have been translated and was not.
// Invariant: close() takes everything off the machine again.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCgroupRoot } from '../../agent/sys/cgroup.ts';
import { statusSocketPath } from '../../agent/telemetry/status-socket.ts';
import { ensureBpffs } from '../lab/bpf-filesystem.ts';
import { createCgroup } from '../lab/cgroup-tree.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { newLabId } from '../lab/lab-id.ts';
import { labPaths, removeLeftovers, removeTraces } from '../lab/lab-traces.ts';
import { addNamespaces, configureNamespace } from '../lab/netns.ts';
import { type CommandResult, finished } from '../lab/run-command.ts';
import { exitOnSignals } from '../lab/signals.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { TestAgent } from './test-agent.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** Services at 10.96.0.0/16 and fd00:10:96::/112, backends at 10.244.0.0/16 and fd00:10:244::/48. */
export const NETWORK = [
  'route add local 10.96.0.0/16 dev lo',
  'route add local 10.244.0.0/16 dev lo',
  'route add local fd00:10:96::/112 dev lo',
  'route add local fd00:10:244::/48 dev lo',
  // What clients have as their own; the routes above are none's.
  'addr add 10.244.255.1/32 dev lo',
  'addr add fd00:10:244:ffff::1/128 dev lo nodad',
];

export class TestNode implements Place {
  readonly namespace: string;
  /** What its agent serves. */
  readonly cgroup: string;
  /** Beside it: no agent serves what runs here. */
  readonly unservedCgroup: string;
  readonly bpffs: string;
  /** The agent's folder of manifests. */
  readonly manifests: string;
  /** For whatever a test writes; gone after close(). */
  readonly directory: string;
  readonly agent: TestAgent;
  readonly #cgroupRoot = findCgroupRoot();
  readonly #forgetSignals: () => void;
  #closing: Promise<void> | undefined;

  private constructor() {
    this.namespace = newLabId();
    const paths = labPaths(this.namespace, this.#cgroupRoot);
    this.cgroup = path.join(paths.cgroup, 'served');
    this.unservedCgroup = path.join(paths.cgroup, 'unserved');
    this.bpffs = paths.bpffs;
    this.directory = paths.directory;
    this.manifests = path.join(paths.directory, 'manifests');
    this.agent = new TestAgent(this);
    this.#forgetSignals = exitOnSignals(() => this.close());
  }

  /**
   * A node without an agent; `agent.start()` starts one.
   *
   * @param network lines for `ip -batch` that make its network.
   */
  static async create(network: readonly string[] = NETWORK): Promise<TestNode> {
    const node = new TestNode();
    try {
      await removeLeftovers(node.#cgroupRoot);
      await ensureBpffs();
      mkdirSync(node.manifests, { recursive: true });
      createCgroup(node.cgroup);
      createCgroup(node.unservedCgroup);
      await addNamespaces([node.namespace]);
      await node.configure(...network);
    } catch (error) {
      await node.close();
      throw error;
    }
    return node;
  }

  /** Runs lines for `ip -batch` in the node's network. */
  configure(...commands: readonly string[]): Promise<void> {
    return configureNamespace(this.namespace, { commands });
  }

  /** Puts objects into a manifest of their own, in place of what it held. The agent sees all of it or nothing. */
  write(manifest: string, objects: readonly KubeObject[]): void {
    this.writeText(
      `${manifest}.json`,
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
  }

  writeText(file: string, text: string): void {
    const draft = path.join(this.directory, file);
    writeFileSync(draft, text);
    renameSync(draft, path.join(this.manifests, file));
  }

  remove(manifest: string): void {
    rmSync(path.join(this.manifests, `${manifest}.json`));
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawnInside(this, argv, options);
  }

  run(argv: readonly string[]): Promise<CommandResult> {
    return finished(this.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Runs a subcommand on this node's tables: `status`, `services`, ... */
  signalbox(subcommand: string, ...args: readonly string[]): Promise<CommandResult> {
    return this.run(this.signalboxArgv(subcommand, '--bpffs', this.bpffs, ...args));
  }

  signalboxArgv(...args: readonly string[]): string[] {
    return [process.execPath, MAIN, ...args];
  }

  /** Ends every process and removes every trace. Safe at any time and more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#forgetSignals();
    await removeTraces(this.namespace, this.#cgroupRoot);
    rmSync(statusSocketPath(this.bpffs), { force: true });
  }
}
