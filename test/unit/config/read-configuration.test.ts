// SPDX-License-Identifier: Apache-2.0
// KubeProxyConfiguration files: kubeadm's, wrong ones, and that what is written is what is read.

import { readFileSync } from 'node:fs';
import test from 'ava';
import fc, { type Arbitrary } from 'fast-check';
import { notInFile, noticesOf } from '../../../agent/config/notices.ts';
import { DEFAULTS, OPTIONS, type Settings } from '../../../agent/config/options.ts';
import { readConfiguration } from '../../../agent/config/read-configuration.ts';
import { readFlags } from '../../../agent/config/read-flags.ts';
import { validate } from '../../../agent/config/validation.ts';
import type { KindName } from '../../../agent/config/value-kinds.ts';
import { writeConfiguration } from '../../../agent/config/write-configuration.ts';

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

test('kubeadm’s file is the defaults, and no reason for a notice', (t) => {
  const text = readFileSync(new URL('kubeadm-config.yaml', import.meta.url), 'utf8');
  const read = readConfiguration(text);
  t.deepEqual([...read.problems, ...read.warnings], []);
  t.deepEqual(read.settings, {
    ...DEFAULTS,
    'clientConnection.kubeconfig': '/var/lib/kube-proxy/kubeconfig.conf',
    clusterCIDR: '10.244.0.0/16',
  });
  t.deepEqual(validate(read.settings), []);
  t.deepEqual(noticesOf(read.settings, readFlags({}), read), []);
});

test('servers get the port that they lack; by default they follow the family of the bind address', (t) => {
  const servers = (text: string) => {
    const { healthzBindAddress, metricsBindAddress } = readConfiguration(HEAD + text).settings;
    return [healthzBindAddress, metricsBindAddress];
  };
  t.deepEqual(servers(''), ['0.0.0.0:10256', '127.0.0.1:10249']);
  t.deepEqual(servers('bindAddress: "::"'), ['[::]:10256', '[::1]:10249']);
  t.deepEqual(servers('healthzBindAddress: "::1"\nmetricsBindAddress: 10.0.0.1'), [
    '[::1]:10256',
    '10.0.0.1:10249',
  ]);
  t.deepEqual(servers('bindAddress: "::"\nmetricsBindAddress: 0.0.0.0:9999'), [
    '[::]:10256',
    '0.0.0.0:9999',
  ]);
});

const says = test.macro({
  exec(t, text: string, problems: readonly string[], warnings: readonly string[] = []) {
    const read = readConfiguration(text);
    t.deepEqual([...read.problems], problems);
    t.deepEqual([...read.warnings], warnings);
  },
  title: (title) => title ?? '',
});
test(
  'an unknown key is ignored and named',
  says,
  `${HEAD}foo: 1\niptables: {bar: {baz: 1}}\nIPVS: {}`,
  [],
  [
    'foo: unknown, and ignored',
    'iptables.bar: unknown, and ignored',
    'IPVS: unknown, and ignored; ipvs is meant?',
  ],
);
test(
  'a key that stands twice: the last counts',
  says,
  `${HEAD}mode: ipvs\nmode: nftables`,
  [],
  ['a key stands twice at line 4; the last one counts'],
);
test(
  'another version',
  says,
  'apiVersion: kubeproxy.config.k8s.io/v1beta1\nkind: KubeProxyConfiguration\nfoo: 1',
  ['apiVersion: "kubeproxy.config.k8s.io/v1beta1": must be kubeproxy.config.k8s.io/v1alpha1'],
);
test('another kind', says, 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: Service', [
  'kind: "Service": must be KubeProxyConfiguration',
]);
test('neither', says, 'mode: nftables', [
  'apiVersion: must be kubeproxy.config.k8s.io/v1alpha1',
  'kind: must be KubeProxyConfiguration',
]);
test('nothing', says, '', [
  'must be a map with apiVersion: kubeproxy.config.k8s.io/v1alpha1 and kind: KubeProxyConfiguration',
]);
test('a list', says, '- 1', [
  'must be a map with apiVersion: kubeproxy.config.k8s.io/v1alpha1 and kind: KubeProxyConfiguration',
]);
test(
  'wrong types, all at once',
  says,
  `${HEAD}mode: 3\niptables: [1]\nconntrack: {min: "5", maxPerCore: 1.5}\nhostnameOverride: 12`,
  [
    'mode: 3: must be a text',
    'iptables: [1]: must be a map',
    'conntrack.min: "5": must be a whole number of 32 bits',
    'conntrack.maxPerCore: 1.5: must be a whole number of 32 bits',
    'hostnameOverride: 12: must be a text',
  ],
);
test('yes and on are booleans, as in YAML 1.1', (t) => {
  const { settings } = readConfiguration(`${HEAD}bindAddressHardFail: yes\nenableProfiling: on`);
  t.true(settings.bindAddressHardFail);
  t.true(settings.enableProfiling);
});
test('what is no YAML', (t) => {
  const { problems } = readConfiguration(`${HEAD}mode: [`);
  t.is(problems.length, 1);
  t.regex(problems[0] ?? '', /^not YAML: .* line 3/);
});

test('an alias within what it stands for', says, `${HEAD}mode: &a [*a]`, [
  'not YAML: an alias stands within what it stands for',
]);

test('never throws', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => HEAD + json),
        fc.json(),
      ),
      (text) => {
        t.true(Array.isArray(readConfiguration(text).problems));
      },
    ),
  );
});

const ns = fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n });
const text = fc.oneof(
  fc.string(),
  fc.constantFrom('', 'yes', '~', '1e3', '0x1', '1:30', '::1', '- a', '2001-01-01'),
);
const VALUES: { readonly [K in KindName]: Arbitrary<unknown> } = {
  string: text,
  ip: text,
  server: text,
  version: text,
  bool: fc.boolean(),
  int32: fc.integer(),
  level: fc.nat(),
  float32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  duration: ns,
  nanoseconds: ns,
  strings: fc.array(text),
  gates: fc.dictionary(fc.string(), fc.boolean()),
  vmodule: fc.array(fc.record({ filePattern: text, verbosity: fc.nat() })),
  quantity: fc.constantFrom('0', '512', '64Ki', '1.5M'),
};
const SETTINGS = fc.record(
  Object.fromEntries(OPTIONS.flatMap(({ key, kind }) => (key ? [[key, VALUES[kind]]] : []))),
) as unknown as Arbitrary<Settings>;

test('what is written is what is read, but for what a file cannot say', (t) => {
  fc.assert(
    fc.property(SETTINGS, (made) => {
      const lost = new Set(notInFile(made).map(({ option }) => option));
      const read = readConfiguration(writeConfiguration(made));
      t.deepEqual([...read.problems, ...read.warnings], []);
      // Ports are put in when a file is read, and servers follow the bind address.
      const servers = ['healthzBindAddress', 'metricsBindAddress'];
      for (const [key, value] of Object.entries(made)) {
        if (lost.has(key) || servers.includes(key)) continue;
        t.deepEqual(read.settings[key as never] as unknown, value, key);
      }
      const again = readConfiguration(writeConfiguration(read.settings));
      t.deepEqual(again.settings, read.settings);
    }),
  );
});
