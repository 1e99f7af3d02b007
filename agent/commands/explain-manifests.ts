// SPDX-License-Identifier: Apache-2.0
// The cluster as manifests describe it, read once, for `explain --manifests`. Reads a folder as the agent does;
// takes a single file too. What it ignores for a good reason is remembered as well: somebody asks why.

import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseManifest } from '../cluster/manifest-file.ts';
import { createManifestFolder, type ManifestFile } from '../cluster/manifest-folder.ts';
import { mergeManifests } from '../cluster/manifest-merge.ts';
import { NO_CLUSTER_IP } from '../cluster/service.ts';
import { EnvironmentError, messageOf } from '../errors.ts';
import { ClusterState, type Parsed, type SkippedObject } from '../model/cluster-state.ts';
import type { NodeConfig } from '../model/node-facts.ts';
import type {
  EndpointSliceSpec,
  NodeSpec,
  ObjectKey,
  ServiceCidrSpec,
  ServiceSpec,
} from '../model/objects.ts';

export interface Manifests {
  readonly files: readonly ManifestFile[];
  /** metadata.name of every Node. */
  readonly nodeNames: readonly string[];
}

/** A ClusterState that tells of ignored objects too what it tells of skipped ones. */
export class ManifestState extends ClusterState {
  readonly #ignored: SkippedObject[] = [];
  readonly #untaken: SkippedObject[] = [];

  override get skipped(): readonly SkippedObject[] {
    return [...super.skipped, ...this.#ignored];
  }

  /** Objects of which nothing is taken, and somebody may think otherwise. */
  get untaken(): readonly SkippedObject[] {
    return this.#untaken;
  }

  override upsertService(key: ObjectKey, parsed: Parsed<ServiceSpec>): void {
    this.#remember('Service', key, parsed);
    super.upsertService(key, parsed);
  }

  override upsertEndpointSlice(key: ObjectKey, parsed: Parsed<EndpointSliceSpec>): void {
    this.#remember('EndpointSlice', key, parsed);
    super.upsertEndpointSlice(key, parsed);
  }

  override upsertNode(name: string, parsed: Parsed<NodeSpec>): void {
    this.#remember('Node', name, parsed);
    super.upsertNode(name, parsed);
  }

  override upsertServiceCidr(name: string, parsed: Parsed<ServiceCidrSpec>): void {
    this.#remember('ServiceCIDR', name, parsed);
    super.upsertServiceCidr(name, parsed);
  }

  #remember(kind: SkippedObject['kind'], key: string, parsed: Parsed<unknown>): void {
    if ('ignored' in parsed) this.#ignored.push({ kind, key, reason: parsed.ignored });
    // A manifest as people write it: what comes from a cluster has an address, or None.
    if ('ignored' in parsed && parsed.ignored === NO_CLUSTER_IP) {
      this.#untaken.push({ kind, key, reason: parsed.ignored });
    }
    if ('invalid' in parsed) this.#untaken.push({ kind, key, reason: parsed.invalid });
  }
}

/** @param path a folder or a file. @throws EnvironmentError when it cannot be read. */
export async function readManifests(path: string): Promise<Manifests> {
  const files = await readFiles(path).catch((cause: unknown) => {
    if (cause instanceof EnvironmentError) throw cause;
    throw new EnvironmentError(`cannot read manifests: ${messageOf(cause)}`, {
      cause,
      hint: 'name a folder of YAML or JSON files, or one such file, with --manifests',
    });
  });
  const nodes = files.flatMap(({ objects }) => objects.filter(({ kind }) => kind === 'Node'));
  return { files, nodeNames: [...new Set(nodes.map(({ key }) => key))] };
}

/** @param config of the Node that counts. */
export function clusterOf(
  { files }: Manifests,
  { nodeName, externalIpCidrs }: NodeConfig,
): { readonly cluster: ManifestState; readonly problems: ReadonlyMap<string, string> } {
  const cluster = new ManifestState(undefined, undefined, externalIpCidrs);
  const { objects, problems } = mergeManifests(files, nodeName);
  for (const object of objects) object.deliver(cluster, object.key);
  return { cluster, problems };
}

async function readFiles(path: string): Promise<readonly ManifestFile[]> {
  if (statSync(path).isDirectory()) return createManifestFolder(path).read();
  const manifest = parseManifest(
    await readFile(path, 'utf8'),
    path.endsWith('.json') ? 'json' : 'yaml',
  );
  if ('unreadable' in manifest) {
    throw new EnvironmentError(`manifest ${path}: ${manifest.unreadable}`);
  }
  const problem = manifest.problems.join('; ');
  return [{ path, objects: manifest.objects, ...(problem ? { problem } : {}) }];
}
