// SPDX-License-Identifier: Apache-2.0
// kube-proxy on a station's node, in one of its modes: the real one, whose binary the reader has named.

import { spawnSync } from 'node:child_process';
import { EnvironmentError } from '../../agent/errors.ts';
import type { KubeProxyMode } from '../lab/kube-proxy-config.ts';
import { KubeProxyProcess } from '../lab/kube-proxy-process.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { heapMiB, untilProgrammed } from './proxy-progress.ts';
import type { ProxyName } from './result.ts';
import type { ServiceProxy } from './station.ts';

export interface KubeProxyChoice {
  readonly name: ProxyName;
  readonly mode: KubeProxyMode;
  readonly binary: string;
}

export class RealKubeProxy implements ServiceProxy {
  readonly name: ProxyName;
  readonly label: string;
  readonly isStandIn = false;
  readonly #process: KubeProxyProcess;
  readonly #changedAtMs: () => number;
  #startedAtMs = 0;

  /**
   * @param changedAtMs when something that proxies read was last stored.
   * @throws EnvironmentError when the machine lacks what the mode takes.
   */
  constructor(
    { name, mode, binary }: KubeProxyChoice,
    lab: Lab,
    node: LabNode,
    changedAtMs: () => number,
  ) {
    const { nodeKubeconfig: kubeconfig, directory } = lab;
    this.name = name;
    this.label = `kube-proxy ${kubeProxyVersion(binary)}, ${mode}`;
    this.#changedAtMs = changedAtMs;
    this.#process = new KubeProxyProcess({ binary, node, mode, kubeconfig, directory });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  begin(): number | undefined {
    if (this.#process.pid !== undefined) return this.#process.pid;
    this.#startedAtMs = Date.now();
    return this.#process.begin();
  }

  programmed(): Promise<number> {
    const { node, logFile } = this.#process;
    return untilProgrammed(
      node,
      { startedAtMs: this.#startedAtMs, changedAtMs: this.#changedAtMs() },
      () => {
        if (this.#process.pid === undefined)
          throw new Error(`no kube-proxy runs on ${node.name}, see ${logFile}`);
      },
    );
  }

  end(): Promise<void> {
    return this.#process.stop();
  }

  kill(): Promise<void> {
    return this.#process.stop('SIGKILL');
  }

  cleanup(): Promise<void> {
    return this.#process.cleanup();
  }

  heapMiB(): Promise<number | undefined> {
    return heapMiB(this.#process.node);
  }
}

/** `1.36.3`. @throws EnvironmentError when it does not tell. */
export function kubeProxyVersion(binary: string): string {
  const { stdout, error, stderr } = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  const [, version] = /^Kubernetes v(\S+)$/m.exec(stdout ?? '') ?? [];
  if (version !== undefined) return version;
  throw new EnvironmentError(`${binary} --version does not tell that it is kube-proxy`, {
    hint: `it said: ${error?.message ?? `${stdout}${stderr}`.trim()}`,
  });
}
