// SPDX-License-Identifier: Apache-2.0
// What a file of tests has: the cluster, clients, a namespace of its own with a server on each of two workers, and Services
// that it makes there. The namespace is taken away at the end, also when tests have failed.

import path from 'node:path';
import type { V1Service, V1ServiceSpec } from '@kubernetes/client-node';
import type { TestFn } from 'ava';
import { type Inventory, type Machine, readInventory, workersOf } from '../inventory.ts';
import { agentImage } from './agents.ts';
import { type Api, openApi } from './api.ts';
import { type Clients, makeNamespace, openClients, removeNamespace } from './clients.ts';
import { PodControl } from './pod-control.ts';
import { makePods, type PodOrder } from './pods.ts';
import { endpointsAre, makeService } from './services.ts';

/** Where run.ts says which cluster. */
export const INVENTORY_VARIABLE = 'SIGNALBOX_E2E_INVENTORY';

export const SERVER_LABEL = { app: 'server' };

export interface Stage {
  readonly api: Api;
  readonly inventory: Inventory;
  readonly namespace: string;
  readonly image: string;
  /** Where servers are. */
  readonly workers: readonly [Machine, Machine];
  readonly clients: Clients;
  /** On each of the workers, in their order. Labels: SERVER_LABEL, and `on` with the name of the node. */
  readonly servers: readonly [PodControl, PodControl];
  /** A Service for both servers, unless the spec says otherwise. Its endpoints are there. */
  service(name: string, spec?: V1ServiceSpec, pods?: readonly string[]): Promise<V1Service>;
  pods(...orders: readonly Omit<PodOrder, 'namespace' | 'image'>[]): Promise<PodControl[]>;
}

/** Makes it before the tests of a file. @returns it, for use inside of tests. */
export function stageFor(test: TestFn, file: string): () => Stage {
  let stage: Stage | undefined;
  let close = async () => {};
  test.before(async () => {
    const inventory = readInventory(process.env[INVENTORY_VARIABLE]);
    const api = await openApi(inventory);
    const namespace = `signalbox-e2e-${path.basename(file, '.e2e.ts')}`;
    const opened: PodControl[] = [];
    let clients: Clients | undefined;
    close = async () => {
      try {
        await removeNamespace(api, namespace);
      } finally {
        // What stays open would keep this process, and so the files after this one, waiting.
        for (const pod of opened) pod.close();
        clients?.close();
        api.close();
      }
    };
    await removeNamespace(api, namespace);
    await makeNamespace(api, namespace);
    clients = await openClients(api, inventory);
    stage = await makeStage({ api, inventory, namespace, clients, opened });
  });
  test.after.always('the namespace is taken away', () => close());
  return () => {
    if (!stage) throw new Error('there is no stage before the tests begin');
    return stage;
  };
}

interface Parts extends Pick<Stage, 'api' | 'inventory' | 'namespace' | 'clients'> {
  readonly opened: PodControl[];
}

async function makeStage({ opened, ...parts }: Parts): Promise<Stage> {
  const { api, inventory, namespace } = parts;
  const image = await agentImage(api);
  const [first, second] = workersOf(inventory);
  if (!first || !second) throw new Error('the tests need two workers');
  const pods: Stage['pods'] = async (...orders) => {
    const full = orders.map((order) => ({ ...order, namespace, image }));
    const made = await makePods(api, full);
    const controls = await Promise.all(made.map((pod) => PodControl.open(pod, inventory)));
    opened.push(...controls);
    return controls;
  };
  const server = ({ name }: Machine) => ({
    name: `server-${name}`,
    node: name,
    isServer: true,
    labels: { ...SERVER_LABEL, on: name },
  });
  const servers = await pods(server(first), server(second));
  return {
    ...parts,
    image,
    workers: [first, second],
    servers: servers as [PodControl, PodControl],
    pods,
    async service(name, spec, names = servers.map((one) => one.name)) {
      const order = { name, namespace, spec: { selector: SERVER_LABEL, ...spec } };
      const service = await makeService(api, order);
      await endpointsAre(api, service, names);
      return service;
    },
  };
}

/** @throws Error when there is none, which the inventory forbids. */
export function at<T>(map: ReadonlyMap<string, T>, { name }: Pick<Machine, 'name'>): T {
  const found = map.get(name);
  if (found === undefined) throw new Error(`nothing for ${name}`);
  return found;
}
