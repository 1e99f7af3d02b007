// SPDX-License-Identifier: Apache-2.0
// A real kube-proxy on a node of the lab, for comparison and for taking over from it. Its binary belongs to
// whoever runs the lab and is no part of this project. What it writes stays in the node's network namespace
// when it ends; cleanup() takes it out.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpAnswer } from './apps/http-get.ts';
import { findProgram } from './find-program.ts';
import {
  KUBE_PROXY_PORTS,
  type KubeProxyMode,
  type KubeProxyPorts,
  type KubeProxySettings,
  kubeProxyConfig,
  xtablesProgram,
} from './kube-proxy-config.ts';
import type { LabNode } from './lab-node.ts';
import { until } from './until.ts';

/** Thousands of Services by iptables-nft take minutes. */
const SYNCED_WITHIN_MS = 600_000;
/** It takes CPU to answer, which it needs for other things. */
const LOOK_EVERY_MS = 50;
const FAMILIES = 2;
const XTABLES = ['iptables', 'ip6tables'].flatMap((tool) => [
  tool,
  `${tool}-save`,
  `${tool}-restore`,
]);

export interface KubeProxyOptions extends KubeProxySettings {
  readonly binary: string;
  readonly node: LabNode;
  /** Where its configuration and its log go. */
  readonly directory: string;
}

export class KubeProxyProcess {
  readonly node: LabNode;
  readonly mode: KubeProxyMode;
  readonly logFile: string;
  readonly configFile: string;
  readonly #binary: string;
  readonly #ports: KubeProxyPorts;
  readonly #environment: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;

  /** @throws EnvironmentError when the machine has no iptables of the kind that the mode takes. */
  constructor(options: KubeProxyOptions) {
    const { node, mode, binary, directory } = options;
    const name = path.join(directory, `kube-proxy-${node.name}-${mode}`);
    this.node = node;
    this.mode = mode;
    this.logFile = `${name}.log`;
    this.configFile = `${name}.yaml`;
    this.#binary = binary;
    this.#ports = options.ports ?? KUBE_PROXY_PORTS;
    this.#environment = withTools(`${name}-tools`, mode);
    writeFileSync(this.configFile, kubeProxyConfig(options));
  }

  /** While it runs. */
  get pid(): number | undefined {
    return this.#hasEnded ? undefined : this.#process?.pid;
  }

  /** Starts it. @returns its pid, at once. */
  begin(): number {
    const { node, configFile } = this;
    const flags = ['--config', configFile, '--hostname-override', node.name];
    const child = node.spawn([this.#binary, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment,
    });
    if (child.pid === undefined) throw new Error(`cannot start ${this.#binary}`);
    this.#process = child;
    const log = createWriteStream(this.logFile, { flags: 'a' });
    for (const stream of [child.stdout, child.stderr]) stream?.pipe(log, { end: false });
    child.once('close', () => log.end());
    return child.pid;
  }

  /**
   * Waits until all that the API server had is in its rules, for both families. Its health does not tell:
   * that lists a family as soon as its loop has begun.
   *
   * @returns when its last pass so far ended, by its own word, in milliseconds since the epoch.
   */
  synced(): Promise<number> {
    return until(
      `kube-proxy on ${this.node.name} has synced, see ${this.logFile}`,
      async () => {
        if (this.#hasEnded) throw new Error(`kube-proxy ended, see ${this.logFile}`);
        const answer = await this.metrics().catch(() => undefined);
        const lastAtMs = answer ? parseSyncs(answer.body) : [];
        if (lastAtMs.length === FAMILIES) return Math.max(...lastAtMs);
        await sleep(LOOK_EVERY_MS);
        return undefined;
      },
      SYNCED_WITHIN_MS,
    );
  }

  /** {@link begin}, then {@link synced}. */
  async start(): Promise<void> {
    this.begin();
    await this.synced();
  }

  /** What it answers on the port for load balancers: `/healthz`, `/livez`. @throws when it does not. */
  health(of: string): Promise<HttpAnswer> {
    return this.node.client.call('get', { url: `http://127.0.0.1:${this.#ports.health}${of}` });
  }

  /** What it answers on the port for operators: `/metrics`, `/proxyMode`, `/configz`. @throws when it does not. */
  metrics(of = '/metrics'): Promise<HttpAnswer> {
    return this.node.client.call('get', { url: `http://127.0.0.1:${this.#ports.metrics}${of}` });
  }

  /** Ends it as a kubelet does; its rules stay. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (!child || this.#hasEnded) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** `kube-proxy --cleanup`: all rules of all modes. @throws Error with its own words when it fails. */
  async cleanup(): Promise<void> {
    const result = await this.node.run([this.#binary, '--cleanup'], { env: this.#environment });
    if (result.code !== 0) throw new Error(`kube-proxy --cleanup: ${result.stderr.trim()}`);
  }

  get #hasEnded(): boolean {
    const child = this.#process;
    return !child || child.exitCode !== null || child.signalCode !== null;
  }
}

/** When the last pass of each family that has had one ended, in milliseconds since the epoch. Pure. */
export function parseSyncs(metrics: string): number[] {
  const lines = metrics.matchAll(
    /^kubeproxy_sync_proxy_rules_last_timestamp_seconds\{ip_family="\w+"\} (\S+)$/gm,
  );
  return [...lines].map(([, seconds]) => Number(seconds) * 1000).filter((ms) => ms > 0);
}

/** An environment in which `iptables` is the program that the mode takes, whatever the machine's own is, and `nft` is nftables'. */
function withTools(directory: string, mode: KubeProxyMode): NodeJS.ProcessEnv {
  const xtables = findProgram(xtablesProgram(mode));
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  for (const tool of XTABLES) symlinkSync(xtables, path.join(directory, tool));
  symlinkSync(findProgram('nft'), path.join(directory, 'nft'));
  return { ...process.env, PATH: `${directory}:${process.env.PATH}` };
}
