// SPDX-License-Identifier: Apache-2.0
// What is too long to write down: a Service with thousands of backends, one with hundreds of ports, and thousands
// of Services. The same objects go to the double and to the kernel's tables, which end up saying the same.

import test, { type ExecutionContext } from 'ava';
import { parseEndpointSlice } from '../../agent/cluster/endpoint-slice.ts';
import { parseService } from '../../agent/cluster/service.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { openRealTables } from '../helpers/real-tables.ts';
import { requireRoot } from '../helpers/requirements.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import {
  brokenLookups,
  entryCounts,
  leftOvers,
  lookAt,
  NO_ENTRIES,
  rowsOf,
} from '../helpers/table-view.ts';

function serviceObject(name: string, clusterIP: string, protocol: string) {
  return {
    metadata: { name },
    spec: { clusterIP, ports: [{ name: 'main', port: 80, protocol }] },
  };
}

function sliceObject(name: string, serviceName: string, protocol: string, ips: readonly string[]) {
  return {
    metadata: { name, labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports: [{ name: 'main', port: 8080, protocol }],
    endpoints: ips.map((ip) => ({ addresses: [ip] })),
  };
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const podIp = (n: number) => `10.244.${n >> 8}.${n & 255}`;

class Agent {
  readonly cluster = new ClusterState();
  readonly #tables: KernelTables;
  readonly #reconciler: Reconciler;

  constructor(tables: KernelTables) {
    this.#tables = tables;
    this.#reconciler = new Reconciler(this.cluster, tables, SILENT);
  }

  service(name: string, clusterIP: string, protocol: string): void {
    this.cluster.upsertService(
      `default/${name}`,
      parseService(serviceObject(name, clusterIP, protocol)),
    );
  }

  slice(name: string, service: string, protocol: string, ips: readonly string[]): void {
    this.cluster.upsertEndpointSlice(
      `default/${name}`,
      parseEndpointSlice(sliceObject(name, service, protocol, ips)),
    );
  }

  /** A Service with a port of each number, of which its endpoints have 10,000 more and the node 30,000 more. */
  widely(
    name: string,
    clusterIP: string,
    numbers: readonly number[],
    ips: readonly string[],
  ): void {
    const ports = numbers.map((n) => ({ name: `p${n}`, port: n, nodePort: n + 30_000 }));
    const service = { metadata: { name }, spec: { type: 'NodePort', clusterIP, ports } };
    const slice = {
      ...sliceObject(name, name, 'TCP', ips),
      ports: numbers.map((n) => ({ name: `p${n}`, port: n + 10_000 })),
    };
    this.cluster.upsertService(`default/${name}`, parseService(service));
    this.cluster.upsertEndpointSlice(`default/${name}`, parseEndpointSlice(slice));
  }

  /** @returns the rows after a pass. */
  async rows(t: ExecutionContext): Promise<string[]> {
    const { failures } = await this.#reconciler.reconcileChanges();
    t.deepEqual(failures, []);
    const view = lookAt(this.#tables);
    t.deepEqual(brokenLookups(view), []);
    t.deepEqual(leftOvers(view), []);
    return rowsOf(view);
  }

  async ends(t: ExecutionContext): Promise<void> {
    this.cluster.listed('Service', new Set());
    this.cluster.listed('EndpointSlice', new Set());
    t.deepEqual(await this.rows(t), []);
    t.deepEqual(entryCounts(this.#tables), NO_ENTRIES);
  }
}

/** 300 backends in three slices, one of which is replaced. */
async function largeSet(t: ExecutionContext, tables: KernelTables): Promise<void> {
  const agent = new Agent(tables);
  const row = (ips: readonly string[]) => {
    const backends = ips.map((ip) => `${ip}:8080`).sort();
    return [`default/big:main UDP 10.96.0.1:80 -> ${backends.join(' ')}`];
  };
  const thirds = [0, 1, 2].map((third) => range(100).map((n) => podIp(100 * third + n)));
  agent.service('big', '10.96.0.1', 'UDP');
  for (const [i, ips] of thirds.entries()) agent.slice(`big-${i}`, 'big', 'UDP', ips);
  t.deepEqual(await agent.rows(t), row(thirds.flat()));
  const others = range(100).map((n) => podIp(1000 + n));
  agent.slice('big-1', 'big', 'UDP', others);
  t.deepEqual(await agent.rows(t), row([...(thirds[0] ?? []), ...others, ...(thirds[2] ?? [])]));
  await agent.ends(t);
}

/** More than a batch of each kind of step, in one pass: 2,500 Services, all of which change. */
async function manyServices(t: ExecutionContext, tables: KernelTables): Promise<void> {
  const agent = new Agent(tables);
  const rows = (pods: (n: number) => string[]) =>
    range(2500)
      .map((n) => {
        const backends = pods(n).map((ip) => `${ip}:8080`);
        return `default/s${n}:main UDP 10.96.${n >> 8}.${n & 255}:80 -> ${backends.join(' ')}`;
      })
      .sort();
  const before = (n: number) => [podIp(n)];
  const after = (n: number) => [podIp(n), podIp(n + 8192)].sort();
  for (const n of range(2500)) {
    agent.service(`s${n}`, `10.96.${n >> 8}.${n & 255}`, 'UDP');
    agent.slice(`s${n}`, `s${n}`, 'UDP', before(n));
  }
  t.deepEqual(await agent.rows(t), rows(before));
  for (const n of range(2500)) agent.slice(`s${n}`, `s${n}`, 'UDP', after(n));
  t.deepEqual(await agent.rows(t), rows(after));
  await agent.ends(t);
}

/** 5,000 endpoints in one slice, which no controller writes but anybody may: two leave, then all but two. */
async function thousandsOfEndpoints(t: ExecutionContext, tables: KernelTables): Promise<void> {
  const agent = new Agent(tables);
  const ips = range(5000).map(podIp);
  const row = (some: readonly string[]) => {
    const backends = some.map((ip) => `${ip}:8080`).sort();
    return [`default/big:main UDP 10.96.0.1:80 -> ${backends.join(' ')}`];
  };
  agent.service('big', '10.96.0.1', 'UDP');
  agent.slice('big-1', 'big', 'UDP', ips);
  t.deepEqual(await agent.rows(t), row(ips));
  agent.slice('big-1', 'big', 'UDP', ips.slice(1, -1));
  t.deepEqual(await agent.rows(t), row(ips.slice(1, -1)));
  agent.slice('big-1', 'big', 'UDP', ips.slice(0, 2));
  t.deepEqual(await agent.rows(t), row(ips.slice(0, 2)));
  await agent.ends(t);
}

/** 400 ports, each with a nodePort and endpoints of its own number; then every other one is gone. */
async function hundredsOfPorts(t: ExecutionContext, tables: KernelTables): Promise<void> {
  const agent = new Agent(tables);
  const numbers = range(400).map((n) => 1000 + n);
  const rows = (some: readonly number[]) =>
    some
      .flatMap((n) => {
        const backends = `10.244.0.1:${n + 10_000} 10.244.0.2:${n + 10_000}`;
        return [
          `default/wide:p${n} TCP 10.96.0.1:${n} -> ${backends}`,
          `default/wide:p${n} TCP *:${n + 30_000} IPv4 nodePort -> ${backends}`,
        ];
      })
      .sort();
  agent.widely('wide', '10.96.0.1', numbers, ['10.244.0.1', '10.244.0.2']);
  t.deepEqual(await agent.rows(t), rows(numbers));
  const others = numbers.filter((n) => n % 2);
  agent.widely('wide', '10.96.0.1', others, ['10.244.0.1', '10.244.0.2']);
  t.deepEqual(await agent.rows(t), rows(others));
  await agent.ends(t);
}

const CASES = {
  'a set of 300 backends': largeSet,
  '5,000 endpoints in a slice': thousandsOfEndpoints,
  '400 ports of a Service': hundredsOfPorts,
  '2,500 Services at once': manyServices,
};

for (const [title, run] of Object.entries(CASES)) {
  test(title, (t) => run(t, new FakeTables()));
  test(`${title}, in the kernel`, async (t) => {
    if (requireRoot(t)) await run(t, openRealTables(t));
  });
}
