// SPDX-License-Identifier: Apache-2.0
// What `bench nodeport` runs on: a node with its real agent between a client and two pods, one of which is
// another node's. Traffic is made outside of the cgroup that the agent serves, so that what is measured is the
// packet path alone. Invariant: close() leaves nothing of it on the machine.

import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findCgroupRoot } from '../../agent/sys/cgroup.ts';
import { statusSocketPath } from '../../agent/telemetry/status-socket.ts';
import { untilReady } from '../lab/agent-ready.ts';
import { ensureBpffs } from '../lab/bpf-filesystem.ts';
import { createCgroup } from '../lab/cgroup-tree.ts';
import { requireRoot } from '../lab/lab.ts';
import { newLabId } from '../lab/lab-id.ts';
import { labPaths, removeLeftovers, removeTraces } from '../lab/lab-traces.ts';
import { addNamespaces, configureNamespace } from '../lab/netns.ts';
import { type CommandResult, finished } from '../lab/run-command.ts';
import { exitOnSignals } from '../lab/signals.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { FORWARDING } from '../lab/topology.ts';
import { compileProgram } from './native-program.ts';
import { cpuFiles } from './nodeport-cpu.ts';
import {
  NODE_NAME,
  nodePortService,
  SERVERS,
  type Server,
  targetPort,
} from './nodeport-services.ts';
import {
  type BackendPlace,
  backendCommands,
  CLUSTER_CIDRS,
  clientCommands,
  type Namespaces,
  NODE_ADDRESSES,
  nodeCommands,
  otherCommands,
  PLACES,
  SERVED_DEVICES,
} from './nodeport-topology.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const SERVICE_CIDRS = '10.96.0.0/16,fd00:10:96::/112';

export const CLIENT_CPU = 0;
/**
 * What is answered at once is answered by the CPU that asks: to wake another one costs many times what is
 * measured, and would hide it. A stream has sender and reader at work at the same time.
 */
const SERVER_CPUS: Readonly<Record<Server, number>> = { echo: 0, sink: 1, datagrams: 0 };

export class NodePortCluster {
  /** Below the agent's directory of pins. */
  readonly bpffs: string;
  /** Of the machine; what tells how long CPUs worked on the traffic, for traffic-client.c. */
  readonly cpuFiles: readonly string[];
  readonly #id = newLabId();
  readonly #paths = labPaths(this.#id, findCgroupRoot());
  readonly #namespaces: Namespaces;
  readonly #agentCgroup: string;
  readonly #trafficCgroup: string;
  readonly #forgetSignals: () => void;
  readonly #agentLog: string[] = [];
  #clientProgram = '';
  #closing: Promise<void> | undefined;

  private constructor() {
    const { cgroup, bpffs } = this.#paths;
    this.bpffs = bpffs;
    this.#agentCgroup = path.join(cgroup, 'node');
    this.#trafficCgroup = path.join(cgroup, 'traffic');
    this.cpuFiles = cpuFiles(this.#trafficCgroup);
    const namespace = (name: string) => `${this.#id}-${name}`;
    this.#namespaces = {
      client: namespace('client'),
      node: namespace('node'),
      other: namespace('other'),
      pods: { local: namespace('local'), remote: namespace('remote') },
    };
    this.#forgetSignals = exitOnSignals(() => this.close());
  }

  /** @throws EnvironmentError when the machine does not give what it takes. */
  static async start(): Promise<NodePortCluster> {
    requireRoot();
    const cluster = new NodePortCluster();
    try {
      await removeLeftovers(findCgroupRoot());
      await ensureBpffs();
      await cluster.#connect();
      await cluster.#startServers();
      await cluster.#startAgent();
    } catch (error) {
      await cluster.close().catch(() => {});
      throw error;
    }
    return cluster;
  }

  /** Runs traffic-client.c where the client is. */
  runClient(args: readonly string[]): Promise<CommandResult> {
    const place = { namespace: this.#namespaces.client, cgroup: this.#trafficCgroup };
    const options = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] };
    return finished(spawnInside(place, [this.#clientProgram, ...args], options));
  }

  /** Lines of the agent's log that are warnings or worse: why traffic fails may be in them. */
  get complaints(): string[] {
    return this.#agentLog.filter((line) => /"level":"(warn|error|fatal)"/.test(line));
  }

  /** Ends every process and removes every trace. Safe at any time and more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #connect(): Promise<void> {
    const { client, node, other, pods } = this.#namespaces;
    mkdirSync(path.join(this.#paths.directory, 'manifests'), { recursive: true });
    for (const cgroup of [this.#agentCgroup, this.#trafficCgroup]) createCgroup(cgroup);
    await addNamespaces([client, node, other, ...Object.values(pods)]);
    for (const [name, commands] of [
      [client, clientCommands(this.#namespaces)],
      [node, nodeCommands(this.#namespaces)],
      [other, otherCommands(this.#namespaces)],
      [pods.local, backendCommands('local')],
      [pods.remote, backendCommands('remote')],
    ] as const) {
      await configureNamespace(name, { sysctls: FORWARDING, commands });
    }
  }

  async #startServers(): Promise<void> {
    const { directory } = this.#paths;
    this.#clientProgram = compileProgram('traffic-client', directory);
    const program = compileProgram('traffic-server', directory);
    await Promise.all(
      PLACES.flatMap((place) => SERVERS.map((server) => this.#startServer(program, place, server))),
    );
  }

  /** @returns once it listens. */
  async #startServer(program: string, place: BackendPlace, server: Server): Promise<void> {
    const child = spawnInside(
      { namespace: this.#namespaces.pods[place], cgroup: this.#trafficCgroup },
      [program, `${SERVER_CPUS[server]}`, server, `${targetPort(server)}`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (!child.stdout) throw new Error('a server has no output');
    await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`server ${server} of the ${place} pod ended with ${code}`);
      }),
    ]);
  }

  async #startAgent(): Promise<void> {
    const manifests = path.join(this.#paths.directory, 'manifests');
    for (const place of PLACES) {
      const list = { apiVersion: 'v1', kind: 'List', items: nodePortService(place) };
      writeFileSync(path.join(manifests, `${place}.json`), JSON.stringify(list));
    }
    const flags = {
      '--manifests': manifests,
      '--cgroup': this.#agentCgroup,
      '--bpffs': this.bpffs,
      '--metrics-bind-address': '',
      '--node-name': NODE_NAME,
      '--node-ip': Object.values(NODE_ADDRESSES).join(),
      '--cluster-cidr': Object.values(CLUSTER_CIDRS).join(),
      '--service-cidr': SERVICE_CIDRS,
      '--devices': SERVED_DEVICES.join(),
    };
    const agent = spawnInside(
      { namespace: this.#namespaces.node, cgroup: this.#agentCgroup },
      [process.execPath, MAIN, 'agent', ...Object.entries(flags).flat()],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    await untilReady(agent, 'the agent', (line) => this.#agentLog.push(line));
  }

  async #close(): Promise<void> {
    this.#forgetSignals();
    await removeTraces(this.#id, findCgroupRoot());
    rmSync(statusSocketPath(this.bpffs), { force: true });
  }
}
