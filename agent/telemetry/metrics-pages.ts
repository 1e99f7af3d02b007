// SPDX-License-Identifier: Apache-2.0
// The pages of the metrics server besides the metrics, as near to kube-proxy's as is true: what components of Kubernetes
// call SLIs, flagz and statusz.

import { Counter, Gauge, Registry } from './prom-client.ts';

const NOT_FOR_MACHINES =
  'Warning: This page is for people: nothing promises that it will be the same tomorrow.';

/**
 * /metrics/slis: the one check there is, that this server answers. Whether the node is served well is on the health
 * server and in `signalbox_ready`.
 */
export function pingSlis(): Registry {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'kubernetes_healthcheck',
    help: 'Whether a health check passes.',
    labelNames: ['name', 'type'],
    registers,
  }).set({ name: 'ping', type: 'healthz' }, 1);
  const total: Counter = new Counter({
    name: 'kubernetes_healthchecks_total',
    help: 'Results of health checks.',
    labelNames: ['name', 'type', 'status'],
    registers,
    collect: () => total.inc({ name: 'ping', type: 'healthz', status: 'success' }),
  });
  return registry;
}

/** /flagz: a line for each setting, those inside of others by their path. */
export function flagsText(configuration: unknown): string {
  return `\nsignalbox flagz\n${NOT_FOR_MACHINES}\n\n${settings(configuration, '').join('\n')}\n`;
}

function settings(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [`${path}: ${typeof value === 'string' ? value : JSON.stringify(value)}`];
  return Object.entries(value).flatMap(([key, inner]) =>
    settings(inner, path === '' ? key : `${path}.${key}`),
  );
}

/** /statusz */
export function statusText(version: string, paths: readonly string[]): string {
  const up = Math.floor(performance.now() / 1000);
  const [hours, minutes, seconds] = [Math.floor(up / 3600), Math.floor(up / 60) % 60, up % 60];
  return [
    '',
    'signalbox statusz',
    NOT_FOR_MACHINES,
    '',
    `Started: ${new Date(performance.timeOrigin).toISOString()}`,
    `Up: ${hours} h ${minutes} min ${seconds} s`,
    `Version: ${version}`,
    `Node.js: ${process.version}`,
    `Paths: ${paths.join(' ')}`,
    '',
  ].join('\n');
}
