// SPDX-License-Identifier: Apache-2.0
// A pod as the tests see it: asked and told by HTTP, through its own node (tunnel.ts). Who has restarted a
// pod or its node says so (refresh()).

import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import type { Inventory, Machine } from '../inventory.ts';
import type { Api } from './api.ts';
import type { PodMethods } from './pod/main.ts';
import type { DialOrder, DialReport, TrafficOrder, TrafficReport } from './pod/wire.ts';
import { controlAddress, isReady, podThat } from './pods.ts';
import { type Tunnel, tunnelThrough } from './tunnel.ts';

/** Beyond what the longest of its calls may take: a dial to where nobody answers, many times. */
const SILENCE_MS = 10 * 60_000;
const TRIES = 3;

type Name = keyof PodMethods;

export class PodControl {
  readonly name: string;
  readonly node: string;
  readonly #machine: Machine;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  #pod: V1Pod;
  #tunnel: Tunnel;

  private constructor(pod: V1Pod, machine: Machine, tunnel: Tunnel) {
    this.name = pod.metadata?.name ?? '';
    this.node = machine.name;
    this.#machine = machine;
    this.#pod = pod;
    this.#tunnel = tunnel;
  }

  static async open(pod: V1Pod, { machines }: Inventory): Promise<PodControl> {
    const node = pod.spec?.nodeName;
    const machine = machines.find(({ name }) => name === node);
    if (!machine) throw new Error(`the inventory has no machine for the node ${node}`);
    return new PodControl(pod, machine, await tunnelTo(pod, machine));
  }

  /** Of the pod: of the node, for one on its network. */
  address(family: 4 | 6): string {
    const addresses = this.#pod.status?.podIPs?.map(({ ip }) => ip) ?? [];
    const found = addresses.find((address) => address.includes(':') === (family === 6));
    if (!found) throw new Error(`pod ${this.name} has no IPv${family} address: ${addresses}`);
    return found;
  }

  /** Its node has been restarted: its address is perhaps another one. */
  async refresh(api: Api): Promise<void> {
    const { name = '', namespace = '' } = this.#pod.metadata ?? {};
    this.#pod = await podThat(api, { name, namespace }, isReady);
    this.close();
    this.#tunnel = await tunnelTo(this.#pod, this.#machine);
  }

  dial(order: DialOrder): Promise<DialReport> {
    return this.call('dial', order);
  }

  begin(order: TrafficOrder): Promise<number> {
    return this.call('begin', order);
  }

  report(traffic: number): Promise<TrafficReport> {
    return this.call('report', traffic);
  }

  end(traffic: number): Promise<TrafficReport> {
    return this.call('end', traffic);
  }

  /** @throws Error naming the pod: it cannot be reached, or what the method threw. */
  async call<N extends Name>(
    name: N,
    argument?: Parameters<PodMethods[N]>[0],
  ): Promise<Awaited<ReturnType<PodMethods[N]>>> {
    const where = `pod ${this.name} on ${this.node}`;
    const answer = await this.#persist(name, argument).catch((cause: Error) => {
      const ssh = this.#tunnel.problem();
      const message = `${where} cannot be asked to ${name}: ${cause.message}`;
      throw new Error(ssh === '' ? message : `${message} (${ssh})`, { cause });
    });
    if (answer.error !== undefined) throw new Error(`${where}: ${name}: ${answer.error}`);
    return answer.result as Awaited<ReturnType<PodMethods[N]>>;
  }

  close(): void {
    this.#agent.destroy();
    this.#tunnel.close();
  }

  /** A stream by ssh may break where nothing is wrong with the pod, and all methods can be called again. */
  async #persist(path: string, argument: unknown): Promise<{ result?: unknown; error?: string }> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#post(path, argument);
      } catch (error) {
        if (tries === TRIES) throw error;
        await sleep(1000);
      }
    }
  }

  async #post(path: string, argument: unknown): Promise<{ result?: unknown; error?: string }> {
    const { port } = this.#tunnel;
    return await new Promise((resolve, reject) => {
      const order = { agent: this.#agent, method: 'POST', path: `/${path}` };
      const sent = request({ ...order, host: '127.0.0.1', port });
      sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error('no answer')));
      sent.once('error', reject);
      sent.once('response', (response) => {
        text(response).then((body) => resolve(JSON.parse(body)), reject);
      });
      sent.end(argument === undefined ? '' : JSON.stringify(argument));
    });
  }
}

function tunnelTo(pod: V1Pod, machine: Machine): Promise<Tunnel> {
  const { host, port } = controlAddress(pod);
  return tunnelThrough(machine, host, port);
}
