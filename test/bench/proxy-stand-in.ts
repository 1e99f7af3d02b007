// SPDX-License-Identifier: Apache-2.0
// What stands for kube-proxy where the reader has no binary of it: rules of the same shape, written for what the API
// server has at the moment. No process, and nothing that follows changes.

import { findProgram } from '../lab/find-program.ts';
import { KubeProxyRules, type RuleKind } from '../lab/kube-proxy-rules/kube-proxy-rules.ts';
import type { LabNode } from '../lab/lab-node.ts';
import type { ObjectStore } from '../lab/object-store.ts';
import type { ProxyName } from './result.ts';
import type { ServiceProxy } from './station.ts';

const PROGRAMS: Readonly<Record<RuleKind, string>> = {
  nftables: 'nft',
  'iptables-nft': 'iptables-nft-restore',
  'iptables-legacy': 'iptables-legacy-restore',
};

export class StandIn implements ServiceProxy {
  readonly name: ProxyName;
  readonly label: string;
  readonly isStandIn = true;
  readonly pid = undefined;
  readonly #store: ObjectStore;
  readonly #rules: KubeProxyRules;
  #isWritten = false;

  /** @throws EnvironmentError when the machine lacks what writes the rules. */
  constructor(name: ProxyName, kind: RuleKind, node: LabNode, store: ObjectStore) {
    findProgram(PROGRAMS[kind]);
    this.name = name;
    this.label = `rules shaped like kube-proxy's, ${kind}`;
    this.#store = store;
    this.#rules = new KubeProxyRules(node, kind);
  }

  begin(): undefined {}

  async programmed(): Promise<number> {
    await this.cleanup();
    await this.#rules.write([...this.#store.list('Service'), ...this.#store.list('EndpointSlice')]);
    this.#isWritten = true;
    return Date.now();
  }

  async end(): Promise<void> {}

  async kill(): Promise<void> {}

  async cleanup(): Promise<void> {
    if (this.#isWritten) await this.#rules.clear();
    this.#isWritten = false;
  }

  async heapMiB(): Promise<undefined> {}
}
