// SPDX-License-Identifier: Apache-2.0
// Requests to the cluster's API server, over HTTP as kubectl makes them.

import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { Lab } from '../lab.ts';

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
}

/** @param path with its query. @throws Error for an answer that is no success. */
export async function callApi(lab: Lab, method: string, path: string): Promise<unknown> {
  const { clusters } = parse(await readFile(lab.kubeconfig, 'utf8')) as Kubeconfig;
  const response = await fetch(new URL(path, clusters[0]?.cluster.server), { method });
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}
