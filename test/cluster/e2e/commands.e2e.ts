// SPDX-License-Identifier: Apache-2.0
// What a person asks Signalbox on each node, with kubectl exec.

import test from 'ava';
import { controlPlaneOf } from '../inventory.ts';
import { signalbox } from './agents.ts';
import { reaches } from './outcomes.ts';
import { clusterIp, nodePort } from './services.ts';
import { at, stageFor } from './stage.ts';

const stage = stageFor(test, import.meta.filename);

/** Of nodes that are containers, as those of kind. */
const IN_CONTAINER = 'cgroup-not-root';

interface Explanation {
  readonly verdict: string;
  readonly service: string | null;
  readonly backends: readonly { readonly address: string; readonly local: boolean }[];
  readonly kernel?: { readonly agrees: boolean; readonly differences: readonly unknown[] };
}

interface Finding {
  readonly id: string;
  readonly found: boolean;
  readonly severity: string;
  readonly title: string;
}

test.serial('status says on each node that all is well', async (t) => {
  const { api, inventory } = stage();
  for (const { name } of inventory.machines) {
    const { code, stdout, stderr } = await signalbox(api, inventory, name, ['status']);
    t.is(code, 0, `${name}: ${stdout}${stderr}`);
  }
});

test.serial('doctor finds no error and no reason to worry on any node', async (t) => {
  const { api, inventory } = stage();
  for (const { name } of inventory.machines) {
    const { stdout, stderr } = await signalbox(api, inventory, name, ['doctor', '-o', 'json']);
    const { findings } = JSON.parse(stdout || `{"findings":[{"title":${JSON.stringify(stderr)}}]}`);
    const serious = (findings as Finding[]).filter(
      ({ id, severity }) => severity !== 'note' && id !== IN_CONTAINER,
    );
    t.deepEqual(serious, [], name);
  }
});

test.serial('explain says on each node what happens, and the kernel does the same', async (t) => {
  const { api, inventory, clients, workers, servers } = stage();
  const service = await stage().service('explained', { type: 'NodePort' });
  const [machine] = workers;
  const host = clusterIp(service, 4);
  const target = { host, port: 80, protocol: 'tcp' } as const;
  const names = servers.map(({ name }) => name);
  const pod = at(clients.pods, machine);
  await reaches(pod, target, names);
  await reaches(at(clients.hosts, controlPlaneOf(inventory)), target, names);
  for (const { name, address } of [machine, controlPlaneOf(inventory)]) {
    const from = name === machine.name ? pod.address(4) : 'host';
    const questions = [
      [from, `tcp/${host}:80`],
      ['external', `tcp/[${address.ipv6}]:${nodePort(service, 'tcp')}`],
    ];
    for (const question of questions) {
      const args = ['explain', ...question, '-o', 'json'];
      const { code, stdout, stderr } = await signalbox(api, inventory, name, args);
      t.is(code, 0, stderr);
      const { verdict, backends, kernel } = JSON.parse(stdout) as Explanation;
      t.is(verdict, 'forward', stdout);
      t.is(backends.length, servers.length, stdout);
      t.true(kernel?.agrees, stdout);
    }
  }
});
