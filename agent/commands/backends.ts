// SPDX-License-Identifier: Apache-2.0
// `signalbox backends`: which backends each frontend leads to now, as the kernel holds them.

import type { Command } from 'commander';
import { formatEndpoint } from '../model/address.ts';
import { backendKey } from '../model/service-port.ts';
import { type FrontendView, formatFrontend, nameCells, type RouteView } from './kernel-view.ts';
import { kernelViewCommand } from './kernel-view-command.ts';

export function command(): Command {
  return kernelViewCommand({
    name: 'backends',
    description: 'the backends that each frontend leads to now',
    heads: ['NAMESPACE', 'NAME', 'PORT', 'PROTOCOL', 'FRONTEND', 'BACKEND', 'FOR'],
    rows: (view) =>
      backendsOf(view).map(({ backend, clients }) => [
        ...nameCells(view),
        view.frontend.protocol,
        formatFrontend(view.frontend),
        formatEndpoint(backend.address, backend.port),
        clients,
      ]),
    json: ({ frontend, servicePort, inside, outside }) => ({
      service: servicePort?.service ?? null,
      servicePort: servicePort?.portName ?? null,
      frontend,
      inside: inside.backends,
      outside: outside.backends,
    }),
  });
}

/** Each backend once, with the clients that it is for: those inside the cluster, those outside, or all. */
function backendsOf({ inside, outside }: FrontendView) {
  const keys = (route: RouteView) => new Set(route.backends.map(backendKey));
  const [isInside, isOutside] = [keys(inside), keys(outside)];
  const all = new Map([...inside.backends, ...outside.backends].map((b) => [backendKey(b), b]));
  return [...all].map(([key, backend]) => ({
    backend,
    clients: !isOutside.has(key) ? 'inside' : !isInside.has(key) ? 'outside' : 'all',
  }));
}
