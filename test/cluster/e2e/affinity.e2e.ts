// SPDX-License-Identifier: Apache-2.0
// Session affinity: a client stays with one backend, whichever address it dials, also when the agent is replaced.

import type { V1ServiceSpec } from '@kubernetes/client-node';
import test from 'ava';
import { agentIsBack, agentPod, killAgent } from './agents.ts';
import { eventually, NotYet } from './eventually.ts';
import { clusterIpTargets, forEach, nodePortTargets } from './matrix.ts';
import { reaches } from './outcomes.ts';
import type { Target } from './pod/wire.ts';
import type { PodControl } from './pod-control.ts';
import { changeService } from './services.ts';
import { at, stageFor } from './stage.ts';

const stage = stageFor(test, import.meta.filename);

const DIALS = 12;

function sticky(timeoutSeconds: number): V1ServiceSpec {
  return { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } };
}

function serverNames(): string[] {
  return stage().servers.map(({ name }) => name);
}

/** @returns the pod that answers all of a client's connections. */
async function staysWith(client: PodControl, target: Target): Promise<string> {
  return await eventually(`${client.name} stays with one backend of ${target.host}`, async () => {
    const { answers, failures } = await client.dial({ ...target, count: DIALS });
    const pods = new Set(answers.map(({ pod }) => pod));
    const [pod] = pods;
    const isOne = failures.length === 0 && pods.size === 1 && pod !== undefined;
    return isOne ? pod : new NotYet({ pods, failures });
  });
}

test.serial('a client stays with its backend for as long as the Service says so', async (t) => {
  const { api, namespace, workers, clients } = stage();
  const [first] = workers;
  const order = { name: 'sticky', namespace };
  const service = await stage().service(order.name, { type: 'NodePort', ...sticky(3600) });
  const inside = [at(clients.pods, first), at(clients.hosts, first)];
  const clusterIps = clusterIpTargets(service);
  const nodePorts = nodePortTargets(service, first);
  for (const [i, target] of clusterIps.entries()) {
    for (const client of inside) {
      const pod = await staysWith(client, target);
      t.is(await staysWith(client, nodePorts[i] as Target), pod, `${client.name} by the nodePort`);
    }
    await staysWith(clients.outsider.pod, nodePorts[i] as Target);
  }
  await changeService(api, order, {
    sessionAffinity: 'None',
    sessionAffinityConfig: undefined as never,
  });
  await forEach(inside, clusterIps, (client, target) => reaches(client, target, serverNames()));
  await forEach([clients.outsider.pod], nodePorts, (client, target) =>
    reaches(client, target, serverNames()),
  );
});

test.serial('affinity ends when a client has been away for long enough', async (t) => {
  const { workers, clients } = stage();
  const timeoutS = 5;
  const service = await stage().service('short-memory', sticky(timeoutS));
  const client = at(clients.pods, workers[0]);
  const [target] = clusterIpTargets(service);
  if (!target) return t.fail();
  const pod = await staysWith(client, target);
  await eventually('another backend answers', async () => {
    // Each dial begins it anew.
    await new Promise((resolve) => setTimeout(resolve, (timeoutS + 2) * 1000));
    const { answers } = await client.dial(target);
    const another = answers.find((answer) => answer.pod !== pod);
    return another ?? new NotYet(answers);
  });
  t.pass();
});

test.serial('affinity outlives the agent', async (t) => {
  const { api, workers, clients } = stage();
  const [first] = workers;
  const service = await stage().service('outliving', { type: 'NodePort', ...sticky(36_000) });
  const [inside] = clusterIpTargets(service);
  const [outside] = nodePortTargets(service, first);
  if (!inside || !outside) return t.fail();
  const dials: [PodControl, Target][] = [
    [at(clients.pods, first), inside],
    [at(clients.hosts, first), inside],
    [clients.outsider.pod, outside],
  ];
  const pods = () => Promise.all(dials.map(([client, target]) => staysWith(client, target)));
  const before = await pods();
  const agent = await agentPod(api, first.name);
  await killAgent(first);
  t.deepEqual(await pods(), before, 'without an agent');
  await agentIsBack(api, first.name, agent);
  t.deepEqual(await pods(), before, 'with the next one');
});
