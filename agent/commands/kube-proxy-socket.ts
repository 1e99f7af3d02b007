// SPDX-License-Identifier: Apache-2.0
// Has the running agent look at once for what is left of kube-proxy: both ends of POST /kube-proxy on its status
// socket. `cleanup --kube-proxy` asks before it removes anything, and after.

import type { RequestListener } from 'node:http';
import type { KubeProxyStatus } from '../telemetry/status.ts';
import { requestJson } from '../telemetry/status-socket.ts';
import type { KubeProxyWatch } from './kube-proxy-watch.ts';

export const KUBE_PROXY_PATH = '/kube-proxy';

/** As long as a look at a hundred thousand rules of iptables may take. */
const PATIENCE_MS = 60_000;

/** @param watch undefined as long as there is none. */
export function kubeProxyHandler(watch: () => KubeProxyWatch | undefined): RequestListener {
  return async (request, response) => {
    const watching = watch();
    if (request.method !== 'POST' || !watching) {
      response.writeHead(request.method === 'POST' ? 503 : 405).end();
      return;
    }
    await watching.look();
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ kubeProxy: watching.status ?? null } satisfies Answer));
  };
}

interface Answer {
  readonly kubeProxy: KubeProxyStatus | null;
}

/** @returns what the agent for `bpffs` found, null for nothing; undefined when none answers. */
export async function askForLook(bpffs: string): Promise<KubeProxyStatus | null | undefined> {
  const request = { method: 'POST', path: KUBE_PROXY_PATH, patienceMs: PATIENCE_MS } as const;
  return (await requestJson<Answer>(bpffs, request))?.kubeProxy;
}
