// SPDX-License-Identifier: Apache-2.0
// Brings a kernel of Debian into the cache: asks this machine's own mirror which one is current, by an apt of its own
// that checks signatures as always. A kernel in the cache is whole; a mirror is asked once a day at most.

import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../agent/errors.ts';
import { run } from '../command.ts';
import { openApt, type PrivateApt } from '../debian/apt.ts';
import {
  type ExactPackage,
  exactDepends,
  findSource,
  imageOf,
  KERNELS,
  type Kernel,
  type KernelSource,
  META_PACKAGE,
  type Mirrors,
  mirrorsOf,
  partsOf,
  releaseOf,
  sourcesOf,
  TARGET_FORMAT,
} from './kernels.ts';
import { withLock } from './lock.ts';
import { type Entry, entryFile, kernelOf, kernelsDirectory, readEntry } from './places.ts';
import { unpackKernel } from './unpack-kernel.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export interface FetchOptions {
  /** Told of what takes more than a moment, one line each. */
  readonly onProgress?: (line: string) => void;
}

/**
 * @param name of KERNELS, or its alias.
 * @returns a kernel to boot: the current one, or the one that is there when no mirror can be reached.
 * @throws Error when there is no such kernel, or it cannot be had; with the words of apt.
 */
export async function fetchKernel(name: string, options: FetchOptions = {}): Promise<Kernel> {
  const { onProgress = () => {} } = options;
  const source = findSource(name);
  if (source === undefined) {
    const names = KERNELS.map((kernel) => kernel.name).join(', ');
    throw new Error(`there is no kernel ${name}; there are ${names}`);
  }
  const entry = current(source) ?? (await refresh(source, onProgress));
  const kernel = kernelOf(source.name, entry);
  touch(kernel.directory);
  return kernel;
}

function current({ name }: KernelSource): Entry | undefined {
  const entry = readEntry(name);
  return entry && Date.now() - entry.askedMs < DAY_MS ? entry : undefined;
}

async function refresh(source: KernelSource, tell: (line: string) => void): Promise<Entry> {
  const { name } = source;
  mkdirSync(kernelsDirectory(), { recursive: true });
  const work = async () => {
    const other = current(source);
    if (other !== undefined) return other;
    const old = readEntry(name);
    try {
      return remember(source, await bring(source, old, tell));
    } catch (error) {
      if (old === undefined) throw error;
      tell(`no newer kernel ${name} could be had, ${old.package} is used: ${firstLine(error)}`);
      return remember(source, old);
    }
  };
  const lock = path.join(kernelsDirectory(), `${name}.lock`);
  return withLock(lock, work, () =>
    tell(`waiting for another command that fetches kernel ${name}`),
  );
}

/** @returns the entry of the current kernel, whose folder is there then. */
async function bring(
  source: KernelSource,
  old: Entry | undefined,
  tell: (line: string) => void,
): Promise<Omit<Entry, 'askedMs'>> {
  const { name, title } = source;
  const cache = path.join(kernelsDirectory(), `apt-${name}`);
  const sources = sourcesOf(source, await findMirrors());
  const apt = openApt({ architecture: 'amd64', cache, sources });
  tell(`asking which kernel ${title} has`);
  // A list that cannot be had is an error, and soon one; apt's way is to go on with the old one.
  const settings = [
    'APT::Update::Error-Mode=any',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=15',
  ];
  await apt.get([...settings.flatMap((setting) => ['-o', setting]), 'update']);
  const meta = exactDepends(await show(apt, META_PACKAGE));
  const image = imageOf(meta);
  if (image === undefined) throw new Error(`${META_PACKAGE} of ${title} depends on no kernel`);
  const folder = `${image.name}_${image.version}`;
  const found = { release: releaseOf(image.name), package: image.name, version: image.version };
  if (old?.folder === folder) return { ...found, folder };

  const record = await show(apt, exact(image));
  const packages = [image, ...partsOf(exactDepends(record))];
  // What an interrupted command has left is of no use.
  for (const left of globSync(`new-${name}-*`, { cwd: kernelsDirectory() }))
    rmSync(path.join(kernelsDirectory(), left), { recursive: true, force: true });
  const work = mkdtempSync(path.join(kernelsDirectory(), `new-${name}-`));
  const archives = path.join(work, 'archives');
  mkdirSync(archives, { recursive: true });
  tell(`downloading ${packages.map(exact).join(' ')} (${await megabytesOf(apt, packages)} MB)`);
  await apt.get(['download', ...packages.map(exact)], archives);
  tell(`unpacking ${found.release}`);
  const tree = path.join(work, 'kernel');
  const files = readdirSync(archives).map((file) => path.join(archives, file));
  await unpackKernel({ files, release: found.release, work, into: tree });
  const place = path.join(kernelsDirectory(), folder);
  rmSync(place, { recursive: true, force: true });
  renameSync(tree, place);
  rmSync(work, { recursive: true, force: true });
  return { ...found, folder };
}

async function findMirrors(): Promise<Mirrors> {
  const targets = await run('apt-get', ['indextargets', '--format', TARGET_FORMAT]);
  const mirrors = mirrorsOf(targets);
  if (mirrors === undefined) {
    throw new Error(
      "none of this machine's package sources is a mirror of Debian, which the kernels come from; add one, or give the folder of a kernel",
    );
  }
  return mirrors;
}

function show(apt: PrivateApt, name: string): Promise<string> {
  return apt.query(['show', '--no-all-versions', name]);
}

async function megabytesOf(apt: PrivateApt, packages: readonly ExactPackage[]): Promise<string> {
  const records = await apt.query(['show', ...packages.map(exact)]);
  const bytes = [...records.matchAll(/^Size: (\d+)$/gm)].map(([, size]) => Number(size));
  return (bytes.reduce((sum, size) => sum + size, 0) / 1e6).toFixed(0);
}

function exact({ name, version }: ExactPackage): string {
  return `${name}=${version}`;
}

/** Writes what a name means now, and removes what no name has meant for a day. */
function remember({ name }: KernelSource, found: Omit<Entry, 'askedMs'>): Entry {
  const { release, version, folder } = found;
  const entry = { release, package: found.package, version, folder, askedMs: Date.now() };
  const file = entryFile(name);
  writeFileSync(`${file}.new`, `${JSON.stringify(entry, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
  const inUse = new Set(KERNELS.map((kernel) => readEntry(kernel.name)?.folder));
  for (const other of readdirSync(kernelsDirectory())) {
    const at = path.join(kernelsDirectory(), other);
    if (!other.startsWith('linux-image-') || inUse.has(other)) continue;
    // A guest that runs may still load modules from it.
    if (Date.now() - statSync(at).mtimeMs > DAY_MS) rmSync(at, { recursive: true, force: true });
  }
  return entry;
}

function touch(directory: string): void {
  const now = new Date();
  utimesSync(directory, now, now);
}

function firstLine(error: unknown): string {
  const lines = messageOf(error).split('\n');
  return lines.find((line) => /^[EW]: /.test(line)) ?? lines[0] ?? '';
}
