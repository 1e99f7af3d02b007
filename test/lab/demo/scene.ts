// SPDX-License-Identifier: Apache-2.0
// What a chapter of the demo works with: the cluster, its visitors, and the lines that it writes.
// A chapter holds when everything that it expected was so.

import type { Answer } from '../../../agent/commands/explain-answer.ts';
import type { ClientMethods } from '../apps/client.ts';
import type { Target } from '../apps/request.ts';
import type { RequestResult } from '../apps/request-report.ts';
import { formatHostPort } from '../host-port.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Lab } from '../lab.ts';
import type { Outsider } from '../outsider.ts';
import type { Remote } from '../rpc.ts';
import { type ServiceSpecObject, serviceSpec } from '../service-spec.ts';
import { until } from '../until.ts';
import { ask, explain } from './explain.ts';
import { printAction, printCommand, printOutput, printVerdict, showWaiting } from './screen.ts';

export const NAMESPACE = 'kiada';

/** Of an address that is not served yet nothing comes back. */
const ATTEMPT_MS = 200;

export interface Chapter {
  readonly title: string;
  /** Why anybody should care: one line. */
  readonly shows: string;
  /** May throw: then the chapter does not hold, and the next one is played. */
  readonly play: (scene: Scene) => Promise<void>;
}

export class Scene {
  readonly lab: Lab;
  /** A binary of it, where there is one. */
  readonly kubeProxy: string | undefined;
  #holds = true;

  constructor(lab: Lab, kubeProxy?: string) {
    this.lab = lab;
    this.kubeProxy = kubeProxy;
  }

  /** Whether everything expected so far was so. */
  get holds(): boolean {
    return this.#holds;
  }

  /** Says what is done next. */
  readonly action = printAction;
  /** Says which program is run next. */
  readonly command = printCommand;
  readonly output = printOutput;

  /** Says what was observed, and whether it is as it should be. */
  expect(ok: boolean, observed: string): void {
    this.#holds &&= ok;
    printVerdict(ok, observed);
  }

  /** The client on a node, 1 or 2. */
  visitor(node: 1 | 2): Remote<ClientMethods> {
    return this.lab.pod(`visitor-${node}`, NAMESPACE).client;
  }

  /** Its IPv4 address. */
  visitorAddress(node: 1 | 2): string {
    return this.lab.pod(`visitor-${node}`, NAMESPACE).addresses.ipv4;
  }

  /** A client outside of the cluster, 1 or 2. */
  outsider(index: 1 | 2): Outsider {
    return this.lab.outsider(index);
  }

  service(name: string, namespace = NAMESPACE): KubeObject {
    const service = this.lab.store.get('Service', namespace, name);
    if (!service) throw new Error(`there is no Service ${namespace}/${name}`);
    return service;
  }

  /** A Service's address of each family. */
  addressesOf(name: string): { ipv4: string; ipv6: string } {
    const { clusterIPs = [] } = serviceSpec(this.service(name));
    const [ipv4 = '', ipv6 = ''] = clusterIPs;
    return { ipv4, ipv6 };
  }

  /** The nodePort of a Service's port. @param index of the port. */
  nodePortOf(name: string, index = 0): number {
    const { nodePort } = serviceSpec(this.service(name)).ports?.[index] ?? {};
    if (!nodePort) throw new Error(`Service ${name} has no nodePort ${index}`);
    return nodePort;
  }

  /** Changes a Service's spec as `kubectl patch` would. */
  patchService(name: string, spec: Partial<ServiceSpecObject>, namespace = NAMESPACE): void {
    const service = this.service(name, namespace);
    this.lab.store.update({ ...service, spec: { ...serviceSpec(service), ...spec } });
  }

  /** Gives a Service load-balancer addresses, as a cloud's controller does. */
  assignLoadBalancer(name: string, addresses: readonly string[], namespace = NAMESPACE): void {
    const ingress = addresses.map((ip) => ({ ip }));
    this.lab.store.update({
      ...this.service(name, namespace),
      status: { loadBalancer: { ingress } },
    });
  }

  /** Has the router outside take an address to a node. */
  async route(address: string, node: 1 | 2): Promise<void> {
    this.action(`the router outside takes ${address} to node-${node}`);
    await this.lab.route(address, node);
  }

  /** Announces and makes requests from a visitor, each on a connection of its own. */
  requests(node: 1 | 2, target: Target, count: number): Promise<RequestResult> {
    return this.#requests(`visitor-${node} on node-${node}`, this.visitor(node), target, count);
  }

  /** The same from a node's own network. */
  hostRequests(node: 1 | 2, target: Target, count: number): Promise<RequestResult> {
    const { name, client } = this.lab.node(node);
    return this.#requests(`${name} itself`, client, target, count);
  }

  /** The same from outside of the cluster. */
  outsideRequests(outsider: 1 | 2, target: Target, count: number): Promise<RequestResult> {
    const { client, addresses } = this.outsider(outsider);
    const { ipv4, ipv6 } = addresses;
    const from = target.host.includes(':') ? ipv6 : ipv4;
    return this.#requests(`outside-${outsider}, ${from}`, client, target, count);
  }

  /** Waits until the agents of `nodes` would do so with connections from `from`. */
  async decided(
    verdict: Answer['verdict'],
    from: string,
    to: Target,
    nodes: readonly (1 | 2)[] = [1, 2],
  ): Promise<void> {
    for (const node of nodes) {
      await until(`node-${node} has ${verdict} for ${from} to ${to.host}`, async () => {
        const answer = await ask(this, node, from, to);
        return answer.verdict === verdict;
      });
    }
  }

  /** Waits until connections from outside get through. */
  async reachedFromOutside({ host, port = 80 }: Target): Promise<void> {
    const { name, client } = this.outsider(1);
    await until(`${name} reaches ${host}`, async () => {
      const { peer } = await client.call('connect', { host, port, timeoutMs: ATTEMPT_MS });
      return peer !== undefined;
    });
  }

  /** Waits until connections from the visitors on `nodes` get through. */
  async reached({ host, port = 80 }: Target, nodes: readonly (1 | 2)[] = [1, 2]): Promise<void> {
    for (const node of nodes) {
      await until(`visitor-${node} reaches ${host}`, async () => {
        const { peer } = await this.visitor(node).call('connect', { host, port });
        return peer !== undefined;
      });
    }
  }

  /** @see explain */
  explain(node: 1 | 2, from: string, to: Target, also?: RegExp): Promise<Answer> {
    return explain(this, node, from, to, also);
  }

  async #requests(
    who: string,
    client: Remote<ClientMethods>,
    target: Target,
    count: number,
  ): Promise<RequestResult> {
    const { host, port = 80 } = target;
    this.action(`${who}: ${count} × GET http://${formatHostPort(host, port)}/`);
    return showWaiting('requests', client.call('requests', { ...target, count }));
  }
}

/** `quote-001 48, quote-002 52`, for people. */
export function formatCounts({ byPod, failures }: RequestResult): string {
  const answers = Object.entries(byPod).map(([pod, count]) => `${pod} ${count}`);
  return [...answers, formatFailures(failures)].filter(Boolean).join(', ');
}

function formatFailures(failures: RequestResult['failures']): string {
  const errnos = [...new Set(failures.map(({ errno }) => errno))];
  return errnos.length > 0 ? `${failures.length} failed (${errnos.join(', ')})` : '';
}
