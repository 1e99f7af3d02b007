// SPDX-License-Identifier: Apache-2.0
// The root file system of the image, as a folder: Node, libbpf, the programs that remove kube-proxy's rules, the agent
// and the BPF programs as they were built. No shell, no package manager, no compiler; BPF objects are the same for every
// processor. Used by main.ts, and so inside of deploy/Dockerfile.

import {
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ROOT, run } from '../command.ts';
import { unpackPackages } from './debian.ts';
import { loadedFiles, packagesIn, prune } from './modules.ts';

export type Architecture = 'amd64' | 'arm64';

/** As Node and npm call them. */
const NODE_NAMES: Readonly<Record<Architecture, NodeJS.Architecture>> = {
  amd64: 'x64',
  arm64: 'arm64',
};

/** libstdc++6 is for Node, iptables and nftables for the rules of kube-proxy. */
const PACKAGES = ['libbpf1', 'libstdc++6', 'iptables', 'nftables'];

export const APP = 'usr/lib/signalbox';
export const COMPILE_CACHE = '/var/cache/signalbox';

/** Where the DaemonSet mounts something; a read-only root cannot get new folders. */
const MOUNT_POINTS = [
  'proc',
  'sys',
  'dev',
  'tmp',
  'run/signalbox',
  'var/lib/kube-proxy',
  'host/proc',
  'host/cgroup',
];

/** A name in the PATH, for kubectl exec: there is no env to look for Node. */
const PROGRAM = `#!/usr/bin/node
import('/${APP}/agent/main.ts');
`;

export interface TreeOptions {
  readonly root: string;
  readonly architecture: Architecture;
  readonly cache: string;
}

/** @returns what went into it, a line each. @throws Error saying which step failed. */
export async function makeTree({ root, architecture, cache }: TreeOptions): Promise<string[]> {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const debs = await unpackPackages({ packages: PACKAGES, architecture, cache, root });
  for (const folder of MOUNT_POINTS) mkdirSync(path.join(root, folder), { recursive: true });
  writeFileSync(path.join(root, 'run/xtables.lock'), '');
  writeFileSync(path.join(root, 'etc/passwd'), 'root:x:0:0:root:/:/usr/sbin/nologin\n');

  const app = path.join(root, APP);
  copyAgent(app);
  await installPackages(app, root, architecture);
  const isOwn = NODE_NAMES[architecture] === process.arch;
  // What is for another processor cannot be loaded here; the packages are the same.
  prune(path.join(app, 'node_modules'), await loadedFiles(isOwn ? app : ROOT));
  writeFileSync(path.join(root, 'usr/bin/signalbox'), PROGRAM, { mode: 0o755 });
  if (isOwn) await fillCompileCache(root);
  return [...debs, ...packagesIn(path.join(app, 'node_modules'))];
}

function copyAgent(app: string): void {
  const objects = globSync('bpf/build/*.o', { cwd: ROOT }).filter(
    (file) => !/\.bpf\.o$/.test(file),
  );
  if (objects.length === 0)
    throw new Error('there is nothing in bpf/build: run npm run build first');
  const files = ['package.json', 'package-lock.json', 'LICENSE', ...objects];
  cpSync(path.join(ROOT, 'agent'), path.join(app, 'agent'), { recursive: true });
  cpSync(path.join(ROOT, 'LICENSES'), path.join(app, 'LICENSES'), { recursive: true });
  mkdirSync(path.join(app, 'bpf/build'), { recursive: true });
  for (const file of files) copyFileSync(path.join(ROOT, file), path.join(app, file));
}

/** What package-lock.json names for running, for this processor; Node is one of them. */
async function installPackages(app: string, root: string, architecture: Architecture) {
  const cpu = NODE_NAMES[architecture];
  const platform = [`--cpu=${cpu}`, '--os=linux', '--libc=glibc'];
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['ci', '--omit=dev', ...platform, ...quiet], app);
  const node = path.join(app, 'node_modules', `node-linux-${cpu}`);
  mkdirSync(path.join(root, 'usr/share/doc/node'), { recursive: true });
  renameSync(path.join(node, 'bin/node'), path.join(root, 'usr/bin/node'));
  renameSync(path.join(node, 'LICENSE'), path.join(root, 'usr/share/doc/node/copyright'));
}

/** Half the CPU of a start is compiling. The cache is for this very Node, these paths and this user: root. */
async function fillCompileCache(root: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  mkdirSync(path.join(root, COMPILE_CACHE), { recursive: true });
  const load = `
    const { globSync } = await import('node:fs');
    for (const file of globSync('/${APP}/agent/commands/*.ts')) await import(file);
    (await import('node:module')).flushCompileCache();`;
  await run('env', [
    `NODE_COMPILE_CACHE=${COMPILE_CACHE}`,
    'chroot',
    root,
    '/usr/bin/node',
    '--input-type=module',
    '-e',
    load,
  ]);
}
