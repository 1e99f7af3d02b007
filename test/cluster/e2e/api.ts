// SPDX-License-Identifier: Apache-2.0
// The cluster's API for the end-to-end tests: with the kubeconfig that kubeadm wrote on the control plane, through a tunnel
// to that machine.

import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  type RequestContext,
} from '@kubernetes/client-node';
import { controlPlaneOf, type Inventory } from '../inventory.ts';
import { mustRunScript } from '../ssh.ts';
import { tunnelThrough } from './tunnel.ts';

const KUBECONFIG = '/etc/kubernetes/admin.conf';
/** The name that every API server's certificate has, whatever the address. */
const SERVER_NAME = 'kubernetes';
const API_PORT = 6443;

export interface Api {
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly discovery: DiscoveryV1Api;
  close(): void;
}

/** A handshake of TLS takes an emulated machine seconds. */
const CONNECT_TIMEOUT_MS = 120_000;

/** The library makes a connection for each request, with a limit for machines that are not emulated; this keeps them. */
class LastingConfig extends KubeConfig {
  #dispatcher: ReturnType<RequestContext['getDispatcher']>;

  override createDispatcherOptions(
    ...args: Parameters<KubeConfig['createDispatcherOptions']>
  ): ReturnType<KubeConfig['createDispatcherOptions']> {
    const options = super.createDispatcherOptions(...args);
    return options.type === 'agent'
      ? { ...options, connect: { ...options.connect, timeout: CONNECT_TIMEOUT_MS } }
      : options;
  }

  /** Of a user with a certificate there is nothing more to say in each request. */
  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    if (this.#dispatcher) return context.setDispatcher(this.#dispatcher);
    await super.applySecurityAuthentication(context);
    this.#dispatcher = context.getDispatcher();
  }

  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
  }
}

/** @throws EnvironmentError when the control plane has no such cluster, or cannot be reached. */
export async function openApi(inventory: Inventory): Promise<Api> {
  const machine = controlPlaneOf(inventory);
  const config = new LastingConfig();
  config.loadFromString(await mustRunScript(machine, `cat ${KUBECONFIG}`));
  const server = new URL(config.getCurrentCluster()?.server ?? '');
  const port = Number(server.port) || API_PORT;
  const tunnel = await tunnelThrough(machine, server.hostname.replaceAll(/[[\]]/g, ''), port);
  config.clusters = config.clusters.map((cluster) => ({
    ...cluster,
    server: `https://127.0.0.1:${tunnel.port}`,
    tlsServerName: SERVER_NAME,
  }));
  return {
    core: config.makeApiClient(CoreV1Api),
    apps: config.makeApiClient(AppsV1Api),
    discovery: config.makeApiClient(DiscoveryV1Api),
    close() {
      tunnel.close();
      void config.close();
    },
  };
}

/** @returns the object; undefined when there is none. */
export async function ifThere<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Whether the server has answered with this code of HTTP. */
export function isStatus(error: unknown, code: number): boolean {
  return error instanceof ApiException && error.code === code;
}
