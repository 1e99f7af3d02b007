// SPDX-License-Identifier: Apache-2.0
// `signalbox services`: the frontends that the kernel serves now.

import type { Command } from 'commander';
import { formatFrontend, nameCells, type RouteView } from './kernel-view.ts';
import { kernelViewCommand } from './kernel-view-command.ts';

export function command(): Command {
  return kernelViewCommand({
    name: 'services',
    description: 'the frontends that the kernel serves now, with their Services',
    heads: ['NAMESPACE', 'NAME', 'PORT', 'PROTOCOL', 'KIND', 'FRONTEND', 'INSIDE', 'OUTSIDE'],
    rows: (view) => {
      // One more for each address, and always the same: `-o json` has them.
      if (view.kind === 'otherPorts' || view.kind === 'echo') return [];
      const { frontend, kind, inside, outside } = view;
      const cells = [frontend.protocol, kind ?? '?', formatFrontend(frontend)];
      return [[...nameCells(view), ...cells, countCell(inside), countCell(outside)]];
    },
    json: ({ servicePort, inside, outside, ...view }) => ({
      service: servicePort?.service ?? null,
      servicePort: servicePort?.portName ?? null,
      ...view,
      inside: routeJson(inside),
      outside: routeJson(outside),
    }),
  });
}

function routeJson({ backends, slots, onEmpty }: RouteView) {
  return { backends: backends.length, slots, onEmpty };
}

function countCell({ backends, onEmpty }: RouteView): string {
  return backends.length ? String(backends.length) : `0 (${onEmpty})`;
}
