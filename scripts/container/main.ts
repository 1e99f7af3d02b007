#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// scripts/image: the container image, with no builder and no daemon.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../command.ts';
import { packImage } from './archive.ts';
import { checkTree } from './check.ts';
import { type Architecture, makeTree } from './tree.ts';

const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
const OWN: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

const USAGE = `Usage: scripts/image [--arch amd64|arm64] [--name NAME:TAG] [--check] [--tree DIR]

Makes image/signalbox-ARCH.tar, which docker load, podman load, ctr images import and kind load image-archive take.
Packages come from the sources of this machine's distribution and from npm; the BPF programs are those of
npm run build. deploy/Dockerfile does the same inside of a builder.

  --arch ARCH      processor of the nodes (default: ${OWN}, this machine's)
  --name NAME:TAG  what the image is called (default: signalbox:${version})
  --check          then run the agent out of it: with the real kernel, in a network namespace and a cgroup of its own,
                   and with the privileges of the DaemonSet (needs root)
  --tree DIR       only the root file system, there`;

const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: OWN },
    name: { type: 'string', default: `signalbox:${version}` },
    check: { type: 'boolean' },
    tree: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) {
  console.log(USAGE);
} else if (values.arch !== 'amd64' && values.arch !== 'arm64') {
  console.error(`There is no image for ${values.arch}.\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  await makeImage(values.arch);
}

async function makeImage(architecture: Architecture): Promise<void> {
  const image = path.join(ROOT, 'image');
  const root = values.tree ?? path.join(image, `tree-${architecture}`);
  const file = path.join(image, `signalbox-${architecture}.tar`);
  const cache = path.join(image, `cache-${architecture}`);
  mkdirSync(image, { recursive: true });
  const parts = await makeTree({ root, architecture, cache });
  console.log(parts.map((part) => `  ${part}`).join('\n'));
  console.log(`${root}: ${megabytes(sizeOf(root))}`);
  if (values.tree === undefined) {
    const { name } = values;
    const work = path.join(image, `pack-${architecture}`);
    await packImage({ root, name, version, architecture, work, file });
    console.log(`${file}: ${megabytes(statSync(file).size)}`);
  }
  if (values.check) console.log(await checkTree(root));
}

function sizeOf(folder: string): number {
  return Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0]);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
