// SPDX-License-Identifier: Apache-2.0
// Those parts of prom-client that the metrics are made of. Used by the files of this folder. File by file: the whole
// package loads its default metrics, and with them OpenTelemetry's API: 70 files and 15 ms of each start, for nothing.

import { createRequire } from 'node:module';
import type * as PromClient from 'prom-client';

const load = createRequire(import.meta.url);

export const Counter: typeof PromClient.Counter = load('prom-client/lib/counter.js');
export type Counter<Label extends string = string> = PromClient.Counter<Label>;

export const Gauge: typeof PromClient.Gauge = load('prom-client/lib/gauge.js');
export type Gauge<Label extends string = string> = PromClient.Gauge<Label>;

export const Histogram: typeof PromClient.Histogram = load('prom-client/lib/histogram.js');
export type Histogram<Label extends string = string> = PromClient.Histogram<Label>;

export const Registry: typeof PromClient.Registry = load('prom-client/lib/registry.js');
export type Registry = PromClient.Registry;

export const { exponentialBuckets }: Pick<typeof PromClient, 'exponentialBuckets'> = load(
  'prom-client/lib/bucketGenerators.js',
);
