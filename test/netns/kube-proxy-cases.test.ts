// SPDX-License-Identifier: Apache-2.0
// A real kube-proxy, where there is one, on the rows of test/helpers/kube-proxy-cases.ts: it says what they say, and takes
// what `--write-config-to` of `signalbox agent` makes of those that both take for the same configuration. In a network
// namespace of its own each, and it does nothing but write.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { readyConfiguration } from '../../agent/commands/agent-configuration.ts';
import { agentCommand, rawFlags } from '../../agent/commands/agent-options.ts';
import { notInFile } from '../../agent/config/notices.ts';
import { readFlags } from '../../agent/config/read-flags.ts';
import { writeConfiguration } from '../../agent/config/write-configuration.ts';
import { KUBE_PROXY_CASES, type KubeProxyCase, titleOf } from '../helpers/kube-proxy-cases.ts';
import { requireKubeProxy, requireRoot } from '../helpers/requirements.ts';

/** @returns what it wrote; undefined when it refused. */
function written(binary: string, args: readonly string[], file: string): Promise<unknown> {
  return new Promise((resolve) => {
    execFile('unshare', ['--net', binary, ...args, '--write-config-to', file], async (error) => {
      resolve(error ? undefined : parse(await readFile(file, 'utf8'), noEmptyList));
    });
  });
}

/** Go has two empty lists. */
function noEmptyList(_: unknown, value: unknown): unknown {
  return Array.isArray(value) && value.length === 0 ? null : value;
}

/** undefined: this command line leaves something that a file cannot say. */
function asFile({ args, file }: KubeProxyCase): string | undefined {
  const agent = agentCommand().exitOverride();
  agent.parse(args, { from: 'user' });
  const { settings } = readyConfiguration(
    agent.opts(),
    readFlags(rawFlags(agent.opts())),
    file === undefined ? undefined : { name: 'f', text: file },
  );
  return notInFile(settings).length ? undefined : writeConfiguration(settings);
}

test('a real kube-proxy says of each row what the row says, and takes what is written for it', async (t) => {
  const binary = requireKubeProxy(t);
  if (binary === undefined || !requireRoot(t)) return;
  const directory = await mkdtemp(path.join(tmpdir(), 'signalbox-'));
  t.teardown(() => rm(directory, { recursive: true }));
  for (const [at, row] of KUBE_PROXY_CASES.entries()) {
    const name = (what: string) => path.join(directory, `${at}.${what}.yaml`);
    if (row.file !== undefined) await writeFile(name('given'), row.file);
    const config = row.file === undefined ? [] : ['--config', name('given')];
    const theirs = await written(binary, [...config, ...row.args], name('theirs'));
    t.is(theirs !== undefined, row.taken, titleOf(row));
    const text = row.taken && row.differs === undefined ? asFile(row) : undefined;
    if (text === undefined) continue;
    await writeFile(name('ours'), text);
    t.deepEqual(
      await written(binary, ['--config', name('ours')], name('again')),
      theirs,
      titleOf(row),
    );
  }
});
