// SPDX-License-Identifier: Apache-2.0
// `signalbox backends`: which backends each frontend leads to now, as the kernel holds them.

import type { Command } from 'commander';
import { formatEndpoint } from '../model/address.ts';
import { formatFrontend, nameCells } from './kernel-view.ts';
import { kernelViewCommand } from './kernel-view-command.ts';

export function command(): Command {
  return kernelViewCommand({
    name: 'backends',
    description: 'the backends that each frontend leads to now',
    heads: ['NAMESPACE', 'NAME', 'PORT', 'PROTOCOL', 'FRONTEND', 'BACKEND'],
    rows: (view) =>
      view.backends.map(({ address, port }) => [
        ...nameCells(view),
        view.frontend.protocol,
        formatFrontend(view.frontend),
        formatEndpoint(address, port),
      ]),
    json: ({ frontend, servicePort, backends }) => ({
      service: servicePort?.service ?? null,
      port: servicePort?.portName ?? null,
      frontend,
      backends,
    }),
  });
}
