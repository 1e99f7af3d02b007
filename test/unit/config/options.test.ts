// SPDX-License-Identifier: Apache-2.0
// The table of kube-proxy's options: every flag of kube-proxy 1.36 is in it, every one is read from the command line and
// from the file, and says what becomes of it.

import test from 'ava';
import { DEFAULTS, OPTIONS, optionOfKey } from '../../../agent/config/options.ts';
import { API_VERSION, KIND, readConfiguration } from '../../../agent/config/read-configuration.ts';
import { readFlags } from '../../../agent/config/read-flags.ts';
import { kindOf, Wrong } from '../../../agent/config/value-kinds.ts';

/** kube-proxy --help of 1.36, but for --help itself. */
const KUBE_PROXY_FLAGS =
  `bind-address bind-address-hard-fail boot-id-file cleanup cluster-cidr config config-sync-period conntrack-max-per-core
  conntrack-min conntrack-tcp-be-liberal conntrack-tcp-timeout-close-wait conntrack-tcp-timeout-established conntrack-udp-timeout
  conntrack-udp-timeout-stream detect-local-mode feature-gates healthz-bind-address healthz-port hostname-override init-only
  iptables-localhost-nodeports iptables-masquerade-bit iptables-min-sync-period iptables-sync-period ipvs-exclude-cidrs
  ipvs-min-sync-period ipvs-scheduler ipvs-strict-arp ipvs-sync-period ipvs-tcp-timeout ipvs-tcpfin-timeout ipvs-udp-timeout
  kube-api-burst kube-api-content-type kube-api-qps kubeconfig log-flush-frequency log-json-info-buffer-size log-json-split-stream
  log-text-info-buffer-size log-text-split-stream logging-format machine-id-file masquerade-all master metrics-bind-address metrics-port
  nodeport-addresses oom-score-adj pod-bridge-interface pod-interface-name-prefix profiling proxy-mode
  show-hidden-metrics-for-version v version vmodule write-config-to`
    .split(/\s+/)
    .sort();

test('every flag of kube-proxy, and no other but those of the past', (t) => {
  const flags = OPTIONS.flatMap(({ flag, gone }) => (flag && !gone ? [flag] : []));
  t.deepEqual(flags.sort(), KUBE_PROXY_FLAGS);
});

test('no flag and no key stands twice', (t) => {
  for (const name of ['flag', 'key'] as const) {
    const names = OPTIONS.flatMap((option) => option[name] ?? []);
    t.deepEqual(names, [...new Set(names)]);
  }
});

test('each says what it does, or why it has no effect', (t) => {
  t.deepEqual(
    OPTIONS.filter(({ does, notice }) => !does && !notice),
    [],
  );
});

/** Something that is not the default, as text of a flag and as a value of the file. */
const OTHER = {
  string: ['other', 'other', 'other'],
  ip: ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
  server: ['192.0.2.1:80', '192.0.2.1:80', '192.0.2.1:80'],
  version: ['raw', 'raw', 'raw'],
  bool: ['true', true, true],
  int32: ['7', 7, 7],
  level: ['7', 7, 7],
  float32: ['7.5', 7.5, 7.5],
  duration: ['1h1m', '61m', 3_660_000_000_000n],
  nanoseconds: ['1s', 1_000_000_000, 1_000_000_000n],
  strings: ['a,b', ['a', 'b'], ['a', 'b']],
  gates: ['A=true,B=0', { A: true, B: false }, { A: true, B: false }],
  vmodule: [
    'a=1,b*=2',
    [
      { filePattern: 'a', verbosity: 1 },
      { filePattern: 'b*', verbosity: 2 },
    ],
    [
      { filePattern: 'a', verbosity: 1 },
      { filePattern: 'b*', verbosity: 2 },
    ],
  ],
  quantity: ['64Ki', '64Ki', '64Ki'],
} as const;

/** @returns a file with `value` at `key`. */
function fileWith(key: string, value: unknown): string {
  const json = key.split('.').reduceRight((inner: unknown, name) => ({ [name]: inner }), value);
  return JSON.stringify({ apiVersion: API_VERSION, kind: KIND, ...(json as object) });
}

for (const { flag, key, kind } of OPTIONS) {
  const [text, json, value] = OTHER[kind];
  if (flag !== undefined) {
    test(`--${flag}`, (t) => {
      const { settings, command, given, problems } = readFlags({ [flag]: [text] });
      t.deepEqual(problems, []);
      t.deepEqual([...given], [flag]);
      t.deepEqual({ ...settings, ...command } as unknown, { [key ?? flag]: value });
    });
  }
  if (key !== undefined) {
    test(`key ${key}`, (t) => {
      const read = readConfiguration(fileWith(key, json));
      t.deepEqual([...read.problems, ...read.warnings], []);
      t.deepEqual([...read.given], [key]);
      t.deepEqual(read.settings[key as never], value as never);
      const wrong = readConfiguration(fileWith(key, { no: ['such', 'thing'] }));
      t.is(wrong.problems.length, 1);
      t.true(wrong.problems[0]?.startsWith(`${key}: {"no":["such","thing"]}: must be `));
    });
    test(`key ${key}: null is the default`, (t) => {
      t.deepEqual(readConfiguration(fileWith(key, null)).settings, DEFAULTS);
    });
    test(`key ${key}: zero is ${optionOfKey(key)?.nullable ? 'zero' : 'the default'}`, (t) => {
      const { zero, toJson } = kindOf(kind);
      const { settings } = readConfiguration(fileWith(key, toJson(zero as never)));
      const wanted = optionOfKey(key)?.nullable ? { ...DEFAULTS, [key]: zero } : DEFAULTS;
      t.deepEqual(settings, wanted);
    });
  }
}

const refuses = test.macro({
  exec(t, flag: string, texts: readonly string[], ...said: readonly string[]) {
    t.deepEqual(readFlags({ [flag]: texts }).problems, said);
  },
  title: (_, flag: string, texts: readonly string[], ..._said: readonly string[]) =>
    `refuses --${flag} ${texts.join(' ')}`,
});
test(refuses, 'masquerade-all', ['yes'], '--masquerade-all yes: must be true or false');
test(refuses, 'oom-score-adj', ['1.5'], '--oom-score-adj 1.5: must be a whole number of 32 bits');
test(refuses, 'oom-score-adj', [''], '--oom-score-adj : must be a whole number of 32 bits');
test(
  refuses,
  'conntrack-min',
  ['2147483648'],
  '--conntrack-min 2147483648: must be a whole number of 32 bits',
);
test(refuses, 'v', ['-1'], '--v -1: must be a whole number from 0 on');
test(refuses, 'feature-gates', ['A'], '--feature-gates A: must be name=true or name=false');
test(refuses, 'vmodule', ['a=x'], '--vmodule a=x: must be pattern=N');
test(
  refuses,
  'log-text-info-buffer-size',
  ['1X'],
  '--log-text-info-buffer-size 1X: must be a number of bytes, as 64Ki',
);
test(
  refuses,
  'config-sync-period',
  ['5', '1d'],
  '--config-sync-period 5: must be a duration, as 30s or 1h30m',
  '--config-sync-period 1d: must be a duration, as 30s or 1h30m',
);

test('Go’s words for true and false', (t) => {
  for (const word of [
    '1',
    't',
    'T',
    'TRUE',
    'true',
    'True',
    '0',
    'f',
    'F',
    'FALSE',
    'false',
    'False',
  ]) {
    t.is(
      readFlags({ 'masquerade-all': [word] }).settings['iptables.masqueradeAll'],
      /^[1t]/i.test(word),
    );
  }
});

test('a flag that stands again: lists grow, of others the last counts', (t) => {
  const { settings } = readFlags({
    'nodeport-addresses': ['10.0.0.0/8', '192.0.2.0/24'],
    'cluster-cidr': ['10.244.0.0/16', 'fd00::/64'],
    'feature-gates': ['A=true,B=true', 'B=false'],
    'conntrack-min': ['1', '0x10'],
  });
  t.deepEqual(settings, {
    nodePortAddresses: ['10.0.0.0/8', '192.0.2.0/24'],
    clusterCIDR: 'fd00::/64',
    featureGates: { A: true, B: false },
    'conntrack.min': 16,
  });
});

test('feature gates with white space around, and with nothing but that', (t) => {
  const read = (text: string) => kindOf('gates').fromFlag(text, undefined);
  t.deepEqual(read(' AllAlpha = true ,B=false,'), { AllAlpha: true, B: false });
  for (const text of ['a', 'a=', '=true', 'a=b=true', `${' '.repeat(100_000)}x`]) {
    t.deepEqual(read(text), new Wrong('must be name=true or name=false'));
  }
});
