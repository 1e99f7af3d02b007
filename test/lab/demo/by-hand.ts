// SPDX-License-Identifier: Apache-2.0
// Chapter: a Service without a selector leads where its EndpointSlice says, here to a program that no
// Pod knows of.

import { fileURLToPath } from 'node:url';
import type { LabNode } from '../lab-node.ts';
import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts, NAMESPACE } from './scene.ts';

const NAME = 'old-quotes';
const PORT = 9000;
const COUNT = 40;
const PROGRAM = fileURLToPath(new URL('../apps/quote.ts', import.meta.url));

export const byHand: Chapter = {
  title: 'A Service without a selector: endpoints by hand',
  shows: 'What does not run in Kubernetes, or not yet, is reached by an address of the same kind.',
  async play(scene) {
    const { lab } = scene;
    const place = lab.node(2);
    const address = place.addresses.ipv4;
    scene.action(`a program that is no Pod serves at ${address}:${PORT}`);
    startProgram(place);
    scene.action(`Service ${NAME} is created, and an EndpointSlice that names this address`);
    lab.applyManifests(service());
    lab.applyManifests(endpointSlice(address));
    const { ipv4: host } = scene.addressesOf(NAME);
    await scene.reached({ host });
    for (const node of [1, 2] as const) {
      const result = await scene.requests(node, { host }, COUNT);
      scene.expect(result.byPod[address] === COUNT, formatCounts(result));
      if (node === 2) continue;
      const answer = await scene.explain(1, scene.visitorAddress(1), { host }, /^BACKEND|:9000 /);
      scene.expect(answer.backends[0]?.node === null, 'explain knows no node of it');
      expectAgreement(scene, answer, result);
    }
  },
};

/** It ends with the lab: its cgroup is the node's. */
function startProgram(place: LabNode): void {
  const { PATH } = process.env;
  const env = { PATH, PORT: String(PORT), HOSTNAME: place.addresses.ipv4 };
  place.spawn([process.execPath, PROGRAM], { stdio: 'ignore', env });
}

function service(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${NAME}, namespace: ${NAMESPACE} }
    spec: { ports: [{ name: http, port: 80 }] }
  `;
}

/** Without a nodeName: nothing of Kubernetes runs there. */
function endpointSlice(address: string): string {
  return `
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata:
      name: ${NAME}-1
      namespace: ${NAMESPACE}
      labels: { kubernetes.io/service-name: ${NAME} }
    addressType: IPv4
    ports: [{ name: http, port: ${PORT} }]
    endpoints: [{ addresses: ['${address}'] }]
  `;
}
