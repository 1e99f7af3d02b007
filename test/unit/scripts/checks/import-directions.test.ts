// SPDX-License-Identifier: Apache-2.0
// The import directions of biome.json, by one file for each thing that is or is not allowed: a copy of
// the tree's folders with nothing in it but these imports.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { ROOT, runCommand } from '../../../../scripts/command.ts';

const ALLOWED: readonly (readonly [folder: string, imported: string])[] = [
  ['agent', './errors.ts'],
  ['agent/cluster', './services.ts'],
  ['agent/cluster', '../errors.ts'],
  ['agent/cluster', '../model/address.ts'],
  ['agent/cluster', '../telemetry/log.ts'],
  ['agent/cluster', '@kubernetes/client-node/dist/watch.js'],
  ['agent/cluster', 'node:fs/promises'],
  ['agent/commands', '../cluster/source.ts'],
  ['agent/commands', '../sys/libbpf/ffi.ts'],
  ['agent/commands', './status.ts'],
  ['agent/commands', 'commander'],
  ['agent/model', './address.ts'],
  ['agent/model', 'ipaddr.js'],
  ['agent/plan', './slots.ts'],
  ['agent/plan', '../model/address.ts'],
  ['agent/plan', '../sys/layout.gen.ts'],
  ['agent/reconcile', '../errors.ts'],
  ['agent/reconcile', '../model/address.ts'],
  ['agent/reconcile', '../plan/diff.ts'],
  ['agent/reconcile', '../sys/kernel-map.ts'],
  ['agent/reconcile', '../telemetry/metrics.ts'],
  ['agent/sys', './libbpf/ffi.ts'],
  ['agent/sys', '../errors.ts'],
  ['agent/sys', '../model/address.ts'],
  ['agent/sys', '../model/port-ranges.ts'],
  ['agent/sys', '../telemetry/log.ts'],
  ['agent/sys/libbpf', '../codec.ts'],
  ['agent/sys/libbpf', '../../errors.ts'],
  ['agent/sys/libbpf', 'koffi'],
  ['agent/telemetry', '../model/address.ts'],
  ['agent/telemetry', 'prom-client'],
  ['test/unit', '../../agent/main.ts'],
  ['test/unit', '../../scripts/build.ts'],
  ['test/unit', 'ava'],
];

const FORBIDDEN: typeof ALLOWED = [
  ['agent', './main.ts'],
  ['agent', './commands/status.ts'],
  ['agent', './model/address.ts'],
  ['agent', '../scripts/build.ts'],
  ['agent/cluster', '../main.ts'],
  ['agent/cluster', '../plan/diff.ts'],
  ['agent/cluster', '../sys/kernel-map.ts'],
  ['agent/cluster', '../telemetry/metrics.ts'],
  ['agent/cluster', './../sys/kernel-map.ts'],
  ['agent/cluster', 'koffi'],
  ['agent/cluster', 'prom-client'],
  ['agent/commands', '../main.ts'],
  ['agent/commands', '../../test/helpers/requirements.ts'],
  ['agent/commands', '../../scripts/build.ts'],
  ['agent/commands', '@kubernetes/client-node'],
  ['agent/model', '../cluster/source.ts'],
  ['agent/model', '../errors.ts'],
  ['agent/model', '../plan/diff.ts'],
  ['agent/model', '../sys/layout.gen.ts'],
  ['agent/model', 'koffi'],
  ['agent/model', 'node:crypto'],
  ['agent/model', 'node:fs'],
  ['agent/model', 'node:fs/promises'],
  ['agent/model', 'fs'],
  ['agent/model', 'ava'],
  ['agent/plan', '../cluster/source.ts'],
  ['agent/plan', '../errors.ts'],
  ['agent/plan', '../reconcile/loop.ts'],
  ['agent/plan', '../sys/kernel-map.ts'],
  ['agent/plan', '../../test/helpers/requirements.ts'],
  ['agent/plan', 'node:crypto'],
  ['agent/reconcile', '../cluster/source.ts'],
  ['agent/reconcile', '../commands/status.ts'],
  ['agent/reconcile', '../main.ts'],
  ['agent/reconcile', '@kubernetes/client-node/dist/watch.js'],
  ['agent/reconcile', 'koffi'],
  ['agent/reconcile', 'prom-client'],
  ['agent/sys', '../cluster/source.ts'],
  ['agent/sys', '../plan/diff.ts'],
  ['agent/sys', '../reconcile/loop.ts'],
  ['agent/sys', '../telemetry/metrics.ts'],
  ['agent/sys', 'koffi'],
  ['agent/sys/libbpf', '../../plan/diff.ts'],
  ['agent/sys/libbpf', 'prom-client'],
  ['agent/telemetry', '../cluster/source.ts'],
  ['agent/telemetry', '../sys/kernel-map.ts'],
  ['agent/telemetry', 'koffi'],
];

/** A way to import -> the same, in a file of a folder that may not. */
const FORMS: Readonly<Record<string, string>> = {
  'import type': "import type { A } from '../sys/a.ts';\nexport type B = A;\n",
  'export from': "export { a } from '../sys/a.ts';\n",
  'export all': "export * from '../sys/a.ts';\n",
  'for the effect': "import '../sys/a.ts';\n",
  'at run time': "export const a = await import('../sys/a.ts');\n",
  'in a type': "export type A = import('../sys/a.ts').A;\n",
};

const RULES = /noRestrictedImports|noUndeclaredDependencies|useNodejsImportProtocol|title=plugin/;

test('every import goes in a direction that the design allows', async (t) => {
  const root = await mkdtemp(path.join(tmpdir(), 'signalbox-imports-'));
  t.teardown(() => rm(root, { recursive: true }));
  for (const file of ['biome.json', 'package.json', 'scripts/checks/no-import-type.grit']) {
    await cp(path.join(ROOT, file), path.join(root, file));
  }
  const sources = new Map<string, string>();
  for (const [at, [folder, imported]] of [...ALLOWED, ...FORBIDDEN].entries()) {
    const verdict = at < ALLOWED.length ? 'allowed' : 'forbidden';
    sources.set(`${folder}/${verdict}-${at}.ts`, `export { x } from '${imported}';\n`);
  }
  for (const [at, text] of Object.values(FORMS).entries()) {
    sources.set(`agent/model/forbidden-form-${at}.ts`, text);
  }
  for (const [file, text] of sources) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }

  const { output } = await runCommand(
    path.join(ROOT, 'node_modules/.bin/biome'),
    ['lint', '--reporter=github', '--max-diagnostics=none', '.'],
    { cwd: root },
  );
  const findings = output.split('\n').filter((line) => RULES.test(line));
  const verdicts = [...sources].map(([file, text]) => {
    const isFound = findings.some((finding) => finding.includes(`/${file},`));
    return `${isFound ? 'forbidden' : 'allowed'} ${file}: ${text.trim()}`;
  });
  const expected = [...sources].map(
    ([file, text]) => `${path.basename(file).split('-')[0]} ${file}: ${text.trim()}`,
  );
  t.deepEqual(verdicts, expected);
});
