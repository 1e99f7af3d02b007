// SPDX-License-Identifier: Apache-2.0
// `signalbox services`: the frontends that the kernel serves now.

import type { Command } from 'commander';
import { formatFrontend, nameCells } from './kernel-view.ts';
import { kernelViewCommand } from './kernel-view-command.ts';

export function command(): Command {
  return kernelViewCommand({
    name: 'services',
    description: 'the frontends that the kernel serves now, with their Services',
    heads: ['NAMESPACE', 'NAME', 'PORT', 'PROTOCOL', 'FRONTEND', 'BACKENDS'],
    rows: (view) => [
      [
        ...nameCells(view),
        view.frontend.protocol,
        formatFrontend(view.frontend),
        view.backends.length ? String(view.backends.length) : '0 (refuses)',
      ],
    ],
    json: ({ frontend, servicePort, servicePortId, backends }) => ({
      service: servicePort?.service ?? null,
      port: servicePort?.portName ?? null,
      servicePortId,
      frontend,
      backends: backends.length,
    }),
  });
}
