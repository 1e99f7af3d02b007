// SPDX-License-Identifier: Apache-2.0
// Traffic of every kind through one Service with nodePorts, for tests that replace agents under it.

import type { V1Service } from '@kubernetes/client-node';
import { clusterIpTargets, forEach, insiders, nodePortTargets } from './matrix.ts';
import { reaches } from './outcomes.ts';
import type { Stage } from './stage.ts';
import { SteadyTraffic } from './steady-traffic.ts';

/**
 * New TCP connections, and lasting ones of TCP and UDP, in both families: from insiders through the clusterIP, from outside
 * through the nodePorts of both workers. Begins when all of them are served.
 */
export async function beginEverywhere(stage: Stage, service: V1Service): Promise<SteadyTraffic> {
  const { servers, workers, clients } = stage;
  const names = servers.map(({ name }) => name);
  const traffic = new SteadyTraffic();
  const outside = workers.flatMap((machine) => nodePortTargets(service, machine));
  for (const [dialers, targets] of [
    [insiders(stage).slice(0, 3), clusterIpTargets(service)],
    [[clients.outsider.pod], outside],
  ] as const) {
    await forEach(dialers, targets, async (client, target) => {
      await reaches(client, target, names);
      if (target.protocol === 'tcp') await traffic.begin(client, { ...target, kind: 'short' });
      await traffic.begin(client, { ...target, kind: 'long' });
    });
  }
  return traffic;
}
