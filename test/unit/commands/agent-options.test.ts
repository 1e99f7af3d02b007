// SPDX-License-Identifier: Apache-2.0
// The command line of `signalbox agent` as a person meets it: how flags may be written, and what --help says first.

import test from 'ava';
import {
  type AgentOptions,
  agentCommand,
  rawFlags,
} from '../../../agent/commands/agent-options.ts';
import { OPTIONS } from '../../../agent/config/options.ts';
import { UsageError } from '../../../agent/errors.ts';

const reads = test.macro({
  exec(t, args: readonly string[], wanted: Readonly<Record<string, readonly string[]>>) {
    const agent = agentCommand().exitOverride();
    agent.parse(args, { from: 'user' });
    t.deepEqual({ ...rawFlags(agent.opts()) }, wanted);
  },
  title: (_, args: readonly string[], _wanted) => `reads ${args.join(' ') || 'nothing'}`,
});
test(reads, [], {});
test(reads, ['--config=/a/b', '--hostname-override', 'n'], {
  config: ['/a/b'],
  'hostname-override': ['n'],
});
test(reads, ['--hostname_override=a_b'], { 'hostname-override': ['a_b'] });
test(reads, ['--masquerade-all', '--cleanup=false', '--init-only=true'], {
  'masquerade-all': ['true'],
  cleanup: ['false'],
  'init-only': ['true'],
});
test(reads, ['--masquerade-all=false', '--masquerade-all'], {
  'masquerade-all': ['false', 'true'],
});
test(reads, ['--masquerade-all', '--masquerade-all=false'], {
  'masquerade-all': ['true', 'false'],
});
test(reads, ['--masquerade-all', '--cleanup'], { 'masquerade-all': ['true'], cleanup: ['true'] });
for (const args of [['-v=2'], ['-v2'], ['-v', '2'], ['--v=2'], ['--v', '2']])
  test(reads, args, { v: ['2'] });
test(reads, ['--cluster-cidr', 'a', '--cluster-cidr=b'], { 'cluster-cidr': ['a', 'b'] });
test(reads, ['--metrics-bind-address', ''], { 'metrics-bind-address': [''] });
test(reads, ['--oom-score-adj=-999', '--oom-score-adj', '-5'], { 'oom-score-adj': ['-999', '-5'] });

test('each flag of kube-proxy alone', (t) => {
  for (const { flag, kind } of OPTIONS) {
    if (flag === undefined) continue;
    const agent = agentCommand().exitOverride();
    agent.parse([`--${flag}=1`], { from: 'user' });
    t.deepEqual({ ...rawFlags(agent.opts()) }, { [flag]: ['1'] }, `--${flag} (${kind})`);
  }
});

test('help: our own options first, then those that have an effect, then the names of the rest', (t) => {
  const help = agentCommand().helpInformation();
  const at = (text: string) => help.indexOf(text);
  t.true(0 < at('--manifests') && at('--manifests') < at('Flags of kube-proxy:'));
  t.true(at('Flags of kube-proxy:') < at('--config <file>'));
  t.is(at('--ipvs-scheduler'), -1);
  t.is(at('--log-file'), -1);
  t.notRegex(help, /undefined|preset/);
});

test('flags that contradict each other', (t) => {
  const refused = (...args: string[]) => {
    const agent = agentCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    return t.throws(() => agent.parse(args, { from: 'user' }))?.message ?? '';
  };
  t.regex(refused('--manifests', '.', '--kubeconfig', 'f'), /cannot be used with/);
  t.regex(refused('--node-name', 'a', '--hostname-override', 'b'), /cannot be used with/);
  t.regex(refused('--no-such-flag'), /unknown option/);
});

test('sizes of tables: again and again, with commas, the last one of a table counts', (t) => {
  const parsed = (...args: string[]) => {
    const agent = agentCommand().exitOverride();
    return agent.parse(args, { from: 'user' }).opts<AgentOptions>().tableSize;
  };
  t.is(parsed(), undefined);
  t.deepEqual(
    parsed('--table-size=members=5000, flows=9000', '--table_size', 'members=7000'),
    new Map([
      ['members', 7000],
      ['flows', 9000],
    ]),
  );
  t.throws(() => parsed('--table-size', 'memers=5000'), {
    instanceOf: UsageError,
    message: /^--table-size memers=5000: .*one of frontends, members/,
  });
});
