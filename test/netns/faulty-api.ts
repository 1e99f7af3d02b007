// SPDX-License-Identifier: Apache-2.0
// A node whose agent has its objects through a proxy that does everything wrong when it is told to, with what the tests of
// that ask and change. Services: `web`, which clients dial; `marker`; and, now and then, `extra`.

import { readFileSync } from 'node:fs';
import type { Status } from '../../agent/telemetry/status.ts';
import type { Exchange, Fault, FaultyProxy, ProxiedRequest } from '../lab/faulty-proxy.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { type KernelFrontend, kernelFrontends, programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { type ProxiedApiServer, serveProxiedApi } from './node-api-server.ts';
import type { Target } from './socket-probe.ts';
import type { TestNode } from './test-node.ts';

const ADDRESSES = { web: '10.96.0.1', marker: '10.96.0.2', extra: '10.96.0.3' } as const;
type Name = keyof typeof ADDRESSES;

/** Of the kinds that the agent watches. */
const PATHS = [
  '/api/v1/services',
  '/apis/discovery.k8s.io/v1/endpointslices',
  '/api/v1/nodes',
  '/apis/networking.k8s.io/v1/servicecidrs',
];
export const KINDS = PATHS.length;

export const isAny = ({ url }: Exchange): boolean => PATHS.includes(url.pathname);
export const isWatch = (exchange: Exchange): boolean => exchange.isWatch && isAny(exchange);
export const isList = (exchange: Exchange): boolean => !exchange.isWatch && isAny(exchange);

/** Who dials `web`. */
export const CLIENTS: readonly Target[] = (['tcp', 'udp', 'sendto', 'kept'] as const).map(
  (kind) => ({ kind, address: ADDRESSES.web, port: 80 }),
);

export class FaultyApi {
  readonly server: ProxiedApiServer['server'];
  readonly proxy: FaultyProxy;
  readonly #node: TestNode;
  readonly #api: ProxiedApiServer;
  /** Backends change all the time: which are next. */
  #round = 0;

  private constructor(node: TestNode, api: ProxiedApiServer) {
    this.#node = node;
    this.#api = api;
    this.server = api.server;
    this.proxy = api.proxy;
  }

  /** The node's agent is told where to find it, and not started. */
  static async start(node: TestNode): Promise<FaultyApi> {
    const api = await serveProxiedApi(node);
    const ownNode = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } };
    for (const object of [ownNode as KubeObject, ...service('web'), ...service('marker')]) {
      api.store.apply(object);
    }
    node.agent.flags = ['--node-name', 'node-1', '--service-cidr', '10.96.0.0/16'];
    node.agent.flags = [...node.agent.flags, '--log-level', 'debug'];
    return new FaultyApi(node, api);
  }

  /** One that has not been let down yet. */
  async newAgent(): Promise<void> {
    const { agent } = this.#node;
    if (agent.pid) await agent.end('SIGTERM');
    await agent.start(this.#api.flags);
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** Gives `name` other backends. @returns resolves once they are in the kernel. */
  change(name: 'web' | 'marker'): () => Promise<void> {
    const backends = [this.#nextBackend(), '10.244.1.1'];
    for (const object of service(name, backends)) this.#api.store.apply(object);
    return async () => {
      for (const protocol of ['TCP', 'UDP']) {
        const frontend = `${ADDRESSES[name]}:80/${protocol}`;
        await programmed(this.#node, frontend, backends.map(targetAt));
      }
    };
  }

  /** One event, of one object. @returns once it is in the kernel. */
  async changeMarkerSlice(): Promise<void> {
    const backend = this.#nextBackend();
    this.#api.store.apply(service('marker', [backend])[1] as KubeObject);
    await programmed(this.#node, `${ADDRESSES.marker}:80/TCP`, [targetAt(backend)]);
  }

  /** So that Services and slices both have changed since; it makes no difference. */
  touchMarker(): void {
    const annotations = { round: `${this.#round}` };
    for (const object of service('marker')) {
      this.#api.store.apply({ ...object, metadata: { ...object.metadata, annotations } });
    }
  }

  async addExtra(): Promise<void> {
    for (const object of service('extra')) this.#api.store.apply(object);
    await programmed(this.#node, `${ADDRESSES.extra}:80/TCP`, [targetAt('10.244.1.1')]);
  }

  removeExtra(): void {
    for (const { kind, metadata } of service('extra')) {
      this.#api.store.delete(kind, 'default', metadata.name);
    }
  }

  get hasExtra(): boolean {
    return kernelFrontends(this.#node).has(`${ADDRESSES.extra}:80/TCP`);
  }

  async extraIsGone(): Promise<void> {
    await programmed(this.#node, `${ADDRESSES.extra}:80/TCP`, undefined);
    await programmed(this.#node, `${ADDRESSES.extra}:80/UDP`, undefined);
  }

  /** What the kernel has, but for `marker`. */
  frontends(): Map<string, KernelFrontend> {
    const all = kernelFrontends(this.#node);
    for (const key of all.keys()) if (key.startsWith(`${ADDRESSES.marker}:`)) all.delete(key);
    return all;
  }

  /** Passes of the agent that have written something. */
  get writingPasses(): number {
    const { log } = this.#node.agent;
    return log.filter(({ msg, writes }) => msg === 'programmed' && Number(writes) > 0).length;
  }

  /** Of the kinds that are watched. @param from how many requests to leave out. */
  requests(from: number): ProxiedRequest[] {
    const later = this.proxy.requests.slice(from);
    return later.filter(({ method, path }) => method === 'GET' && PATHS.includes(path));
  }

  /** Lists that were begun, or gone on with. */
  lists(from: number): number {
    return this.requests(from).filter((request) => !request.isWatch).length;
  }

  async status(): Promise<Status> {
    const { stdout } = await this.#node.signalbox('status', '-o', 'json');
    return (JSON.parse(stdout) as { agent: Status }).agent;
  }

  /** Whether the agent has said that a watch has failed, and why. */
  hasFailed(why: RegExp): boolean {
    const { log } = this.#node.agent;
    return log.some(({ msg, error }) => msg === 'watch failed' && why.test(`${error}`));
  }

  /** `body` while `fault` is at work; at once, as all watches come anew. */
  async under(fault: Fault, only: typeof isAny, body: () => Promise<void>): Promise<void> {
    const stop = this.proxy.inject(fault, only);
    try {
      this.proxy.hangUp();
      await body();
    } finally {
      stop();
    }
  }

  /** Nobody is there. */
  goDown(): void {
    this.proxy.isDown = true;
    this.proxy.hangUp();
  }

  comeBack(): void {
    this.proxy.isDown = false;
  }

  /** How many milliseconds it takes from now until `what` is so; default: until a change is in the kernel. */
  async repaired(what = this.change('web')): Promise<number> {
    const begunMs = performance.now();
    await what();
    return Math.round(performance.now() - begunMs);
  }

  /** The most memory that the agent has had. */
  get peakMiB(): number {
    const text = readFileSync(`/proc/${this.#node.agent.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(text)?.[1]) / 1024;
  }

  #nextBackend(): string {
    this.#round += 1;
    return `10.244.2.${this.#round % 250}`;
  }
}

function service(name: Name, backends: readonly string[] = ['10.244.1.1']): KubeObject[] {
  return kubeService(name, [ADDRESSES[name]], bothProtocols(80, backends));
}
