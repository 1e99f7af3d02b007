// SPDX-License-Identifier: Apache-2.0
// Who serves a node when Signalbox does not: a kube-proxy where whoever plays the demo has one, else rules in
// the shape of its own.

import { KUBE_PROXY_BESIDE } from '../kube-proxy-config.ts';
import { KubeProxyProcess } from '../kube-proxy-process.ts';
import { KubeProxyRules } from '../kube-proxy-rules/kube-proxy-rules.ts';
import type { LabNode } from '../lab-node.ts';
import type { Scene } from './scene.ts';

export interface OtherProxy {
  /** What comes to the node, for people. */
  readonly name: string;
  /** @returns once its rules are there. */
  come(): Promise<void>;
  /** Its rules stay. */
  end(): Promise<void>;
}

export function otherProxy({ lab, kubeProxy: binary }: Scene, node: LabNode): OtherProxy {
  if (binary !== undefined) {
    const { nodeKubeconfig: kubeconfig, directory } = lab;
    const process = new KubeProxyProcess({
      binary,
      node,
      mode: 'nftables',
      kubeconfig,
      directory,
      ports: KUBE_PROXY_BESIDE,
    });
    return {
      name: `${binary}`,
      come: () => process.start().then(() => {}),
      end: () => process.stop(),
    };
  }
  const rules = new KubeProxyRules(node, 'nftables');
  const { store } = lab;
  return {
    name: 'rules like those of kube-proxy',
    come: () => rules.write([...store.list('Service'), ...store.list('EndpointSlice')]),
    end: async () => {},
  };
}
