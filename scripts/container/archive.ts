// SPDX-License-Identifier: Apache-2.0
// Packs a root file system as an image archive that docker load, podman load, ctr images import and kind load take: one
// layer, its configuration, and a manifest with the name. The same tree comes to the same bytes.

import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../command.ts';
import { COMPILE_CACHE } from './tree.ts';

/** Node is told to keep its young generation small: a lower peak while a large cluster is listed. */
const ENVIRONMENT = [
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'NODE_OPTIONS=--max-semi-space-size=4',
  `NODE_COMPILE_CACHE=${COMPILE_CACHE}`,
];

export interface ArchiveOptions {
  readonly root: string;
  /** `name:tag` */
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Made and removed. */
  readonly work: string;
  /** The archive. */
  readonly file: string;
}

const REPRODUCIBLE = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

/** @throws Error with the words of tar. */
export async function packImage(options: ArchiveOptions): Promise<void> {
  const { root, name, work, file } = options;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  await run('tar', [...REPRODUCIBLE, '-cf', path.join(work, 'layer.tar'), '-C', root, '.']);
  const layer = await sha256(path.join(work, 'layer.tar'));
  const config = JSON.stringify(configuration(options, layer));
  const configFile = `${createHash('sha256').update(config).digest('hex')}.json`;
  writeFileSync(path.join(work, configFile), config);
  const manifest = [{ Config: configFile, RepoTags: [name], Layers: ['layer.tar'] }];
  writeFileSync(path.join(work, 'manifest.json'), JSON.stringify(manifest));
  await run('tar', [
    ...REPRODUCIBLE,
    '-cf',
    file,
    '-C',
    work,
    configFile,
    'layer.tar',
    'manifest.json',
  ]);
  rmSync(work, { recursive: true });
}

function configuration({ architecture, version }: ArchiveOptions, layer: string) {
  return {
    architecture,
    os: 'linux',
    config: {
      Entrypoint: ['/usr/bin/signalbox'],
      Cmd: ['--help'],
      Env: ENVIRONMENT,
      WorkingDir: '/',
      Labels: {
        'org.opencontainers.image.title': 'signalbox',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created_by: 'scripts/image' }],
  };
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}
