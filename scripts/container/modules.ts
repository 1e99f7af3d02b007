// SPDX-License-Identifier: Apache-2.0
// Which npm packages the agent's commands load. What nothing loads does not go into the image: of the Kubernetes client,
// all but a few files, and what only the rest of it needs.

import { globSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { run } from '../command.ts';

/** Only single files of it are imported, on purpose; see the README. */
const BY_FILE = '@kubernetes/client-node';

/** koffi chooses one by the processor. */
const ALWAYS = /^@koromix\/koffi-/;

const USELESS = /\.(?:[cm]?ts|map|md|markdown|flow|tsbuildinfo)$/;

const TRACE = `
import { registerHooks } from 'node:module';
import { globSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const loaded = new Set();
registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context); } });
for (const file of globSync('agent/commands/*.ts')) await import(pathToFileURL(file).href);
console.log(JSON.stringify([...loaded].filter((url) => url.startsWith('file:'))));
`;

/** @param folder with agent/ and node_modules/. @returns files below node_modules that are loaded, sorted. */
export async function loadedFiles(folder: string): Promise<readonly string[]> {
  const output = await run(process.execPath, ['--input-type=module', '-e', TRACE], folder);
  const urls = JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as readonly string[];
  return urls
    .map((url) => path.relative(path.join(folder, 'node_modules'), new URL(url).pathname))
    .filter((file) => !file.startsWith('..'))
    .sort();
}

/** Removes all packages of `modules` that none of the files is of, and what only people and compilers read. */
export function prune(modules: string, loaded: readonly string[]): void {
  const packages = new Set(loaded.map(packageOf));
  for (const file of globSync('**/*', { cwd: modules, withFileTypes: true })) {
    if (file.isDirectory()) continue;
    const name = path.relative(modules, path.join(file.parentPath, file.name));
    if (!isKept(name, packages, loaded)) rmSync(path.join(modules, name));
  }
  // What npm keeps for itself; and links to programs that nobody runs.
  for (const own of ['.bin', '.package-lock.json'])
    rmSync(path.join(modules, own), { recursive: true, force: true });
  removeEmptyFolders(modules);
}

function isKept(file: string, packages: ReadonlySet<string>, loaded: readonly string[]): boolean {
  const name = packageOf(file);
  const isLicence = /^(?:licen[cs]e|copying|notice)/i.test(path.basename(file));
  if (ALWAYS.test(name)) return true;
  if (!packages.has(name)) return false;
  if (isLicence || path.basename(file) === 'package.json') return true;
  return name === BY_FILE ? loaded.includes(file) : !USELESS.test(file);
}

/** The innermost: packages may have packages of their own. */
function packageOf(file: string): string {
  const at = file.lastIndexOf('node_modules/');
  const before = at < 0 ? '' : file.slice(0, at + 'node_modules/'.length);
  const [first = '', second = ''] = file.slice(before.length).split('/');
  return before + (first.startsWith('@') ? `${first}/${second}` : first);
}

function removeEmptyFolders(root: string): void {
  const folders = globSync('**/*', { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ parentPath, name }) => path.join(parentPath, name));
  for (const folder of folders.sort().reverse()) {
    if (globSync('*', { cwd: folder }).length === 0) rmSync(folder, { recursive: true });
  }
}

/** @returns the name and version of each package that is there, sorted. */
export function packagesIn(modules: string): readonly string[] {
  return globSync('{*,@*/*}/package.json', { cwd: modules })
    .map((file) => {
      const { name, version } = JSON.parse(readFileSync(path.join(modules, file), 'utf8'));
      return `${name}@${version}`;
    })
    .sort();
}
