// SPDX-License-Identifier: Apache-2.0
// Files that people write, and others may have written: manifests, the configuration, kubeconfigs, and values of flags.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { withHiddenPassword } from '../../../agent/cluster/api-access.ts';
import { loadKubeconfig } from '../../../agent/cluster/kubeconfig.ts';
import { parseManifest } from '../../../agent/cluster/manifest-file.ts';
import { mergeManifests } from '../../../agent/cluster/manifest-merge.ts';
import { parseServerAddress, withPort } from '../../../agent/config/bind-address.ts';
import { formatGoDuration, parseGoDuration } from '../../../agent/config/go-duration.ts';
import { noticesOf } from '../../../agent/config/notices.ts';
import { OPTIONS, optionOfKey, textOf } from '../../../agent/config/options.ts';
import { readConfiguration } from '../../../agent/config/read-configuration.ts';
import { readFlags } from '../../../agent/config/read-flags.ts';
import { validate } from '../../../agent/config/validation.ts';
import { kindOf, Wrong } from '../../../agent/config/value-kinds.ts';
import { wordsOf } from '../../../agent/config/words.ts';
import { writeConfiguration } from '../../../agent/config/write-configuration.ts';
import { MendableError } from '../../../agent/errors.ts';
import { parseAddress, parseAddressSloppily, parsePrefix } from '../../../agent/model/address.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { parseNodePortAddresses } from '../../../agent/model/node-facts.ts';
import { formatPortList, parsePortList, parsePortRange } from '../../../agent/model/port-ranges.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { temporaryFolder } from '../../unit/cluster/temporary-folder.ts';
import { OBJECTS, WORDS } from './cluster-objects.ts';
import { Fuzzing } from './fuzz.ts';
import { mutatedJson, mutatedText } from './mutate.ts';

const YAML_WORDS = [
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '%TAG ! tag:x,2000:\n',
  '&a ',
  '*a',
  '<<: *a\n',
  '!!binary ',
  '!!timestamp ',
  '!!set ',
  '!!omap ',
  '!!js/function ',
  '!x ',
  '? ',
  ': ',
  '- ',
  '# ',
  '|\n',
  '>-\n',
  '"\\x00"',
  '{{ .Values }}',
  '~',
  '.inf',
  '0o17',
  '1:30',
  '2001-12-14',
  '\t',
];

const MANIFESTS = [
  ...OBJECTS.map((object) => stringify(object)),
  OBJECTS.map((object) => stringify(object)).join('---\n'),
  stringify({ apiVersion: 'v1', kind: 'List', items: OBJECTS }),
  stringify({ apiVersion: 'v1', kind: 'ServiceList', items: OBJECTS.slice(0, 1) }),
  JSON.stringify({ apiVersion: 'v1', kind: 'List', items: OBJECTS }, undefined, 1),
  'apiVersion: v1\nkind: Service\nmetadata: &m {name: web, labels: &l {a: b}}\nspec:\n  <<: *l\n  clusterIP: 10.96.0.1\n',
  'apiVersion: v1\nkind: Service\nmetadata: &m {name: web, labels: {a: b}, a: *m}\nkind: Node\n? [a]\n: b\n',
  `apiVersion: v1\nkind: List\nitems:\n- &a {kind: x}\n${'- *a\n'.repeat(99)}`,
];

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    const fuzzing = new Fuzzing(t);
    const check = (text: string, format: 'yaml' | 'json') => {
      const manifest = parseManifest(text, format);
      if ('unreadable' in manifest) {
        assert.notEqual(manifest.unreadable, '');
        assert.ok(!manifest.unreadable.includes('\n'), manifest.unreadable);
        return;
      }
      const state = new ClusterState();
      const files = [{ path: 'a', ...manifest }];
      for (const object of mergeManifests(files, 'node-1').objects) {
        object.deliver(state, object.key);
      }
    };
    fuzzing.run({
      what: 'manifests',
      input: mutatedText(MANIFESTS, [...YAML_WORDS, ...WORDS]),
      runs: 500,
      check: (text) => check(text, 'yaml'),
    });
    fuzzing.run({
      what: 'manifests of good YAML',
      input: mutatedJson(OBJECTS, WORDS),
      runs: 1_000,
      check: (json) => check(JSON.stringify(json) ?? '', 'json'),
    });
    report(fuzzing.figures);
  },
  'manifests',
);

const CONFIGURATION = readFileSync(
  path.join(import.meta.dirname, '../../unit/config/kubeadm-config.yaml'),
  'utf8',
);
const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
const CONFIGURATIONS = [
  CONFIGURATION,
  `${HEAD}mode: nftables\nnodePortAddresses: [10.0.0.0/8, primary]\nfeatureGates: {AllAlpha: true}\n`,
  `${HEAD}conntrack: {maxPerCore: 32768, tcpEstablishedTimeout: 24h0m0s}\nlogging: {vmodule: [{filePattern: a, verbosity: 3}]}\n`,
  `${HEAD}clusterCIDR: 10.244.0.0/16,fd00:10:244::/56\nmetricsBindAddress: '[::1]:10249'\niptables: {syncPeriod: 30s}\n`,
  `${HEAD}mode: ipvs\nipvs: {excludeCIDRs: [10.0.0.0/8], tcpTimeout: 1s, udpTimeout: 0s, syncPeriod: 30s}\n`,
  `${HEAD}detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0, interfaceNamePrefix: veth}\n`,
  `${HEAD}detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}\nbindAddress: '::'\n`,
  `${HEAD}detectLocalMode: ClusterCIDR\nclusterCIDR: 10.244.0.0/16\nlogging: {format: json, options: {json: {infoBufferSize: 4Ki}}}\n`,
];
const KEYS = OPTIONS.flatMap(({ key }) => (key === undefined ? [] : [key, `${key}: `]));
const VALUES = ['0s', '-1h', '9223372036854775807ns', '64Ki', '0.0.0.0:1', '[::]', '10.0.0.0/8'];

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    const fuzzing = new Fuzzing(t);
    fuzzing.run({
      what: 'configurations',
      input: mutatedText(CONFIGURATIONS, [...KEYS, ...YAML_WORDS, ...VALUES]),
      runs: 500,
      check(text) {
        const reading = readConfiguration(text);
        const { settings, problems } = reading;
        if (problems.length > 0) return;
        for (const { key, right } of validate(settings)) {
          assert.ok(optionOfKey(key.replace(/\[\d+\]$/, '')) && right !== '', key);
        }
        noticesOf(settings, readFlags({}), reading);
        assert.deepEqual(readConfiguration(writeConfiguration(settings)).problems, []);
      },
    });
    fuzzing.run({
      what: 'flags of kube-proxy',
      input: fc.tuple(
        fc.constantFrom(...OPTIONS),
        mutatedText(
          [
            ...VALUES,
            'true',
            '3',
            'a=true,b=false',
            'x=1,y=2',
            'a,"b,c",d',
            '"a""b",c,',
            '0x1F',
            '1_000',
            '1.5e3',
          ],
          VALUES,
        ),
      ),
      runs: 8_000,
      check([option, text]) {
        const value = kindOf(option.kind).fromFlag(text, undefined as never);
        const { problems } = readFlags({ [option.flag ?? 'x']: [text, text] });
        if (value instanceof Wrong) {
          assert.ok(option.flag === undefined || problems.length === 2);
        } else if (value !== undefined) textOf(option, value);
      },
    });
    fuzzing.run({
      what: 'addresses, prefixes, ports, durations',
      input: mutatedText(
        [
          '10.96.0.1',
          'fd00::1',
          '::ffff:10.0.0.1',
          '10.0.0.0/8',
          'fd00::/64',
          '30000-32767',
          '80,90-99',
          '1h30m',
          '100ms',
          '1.5s',
          '[::1]:10249',
          '0.0.0.0:10256',
          'primary',
        ],
        ['::', '.', ':', '/', '-', ',', '[', ']', '%eth0', 'ffff', '/128', '/32', 'ns', 'µs', 'h'],
      ),
      runs: 20_000,
      check(text) {
        const address = parseAddress(text);
        if (address !== undefined) assert.equal(parseAddress(address), address);
        const sloppy = parseAddressSloppily(text);
        if (sloppy !== undefined) assert.equal(parseAddress(sloppy), sloppy);
        const prefix = parsePrefix(text);
        if (prefix !== undefined) assert.equal(parsePrefix(prefix), prefix);
        const range = parsePortRange(text);
        if (range) assert.ok(range.first >= 1 && range.first + range.count <= 65_536);
        const ports = parsePortList(text);
        assert.deepEqual(parsePortList(formatPortList(ports)), ports);
        const ns = parseGoDuration(text);
        if (ns !== undefined) assert.equal(parseGoDuration(formatGoDuration(ns)), ns);
        const server = parseServerAddress(withPort(text, 1));
        assert.ok('wrong' in server || (server.port >= 1 && server.port <= 65_535));
        parseNodePortAddresses(text);
        wordsOf(text);
      },
    });
    report(fuzzing.figures);
  },
  'configurations and flags',
);

const KUBECONFIG = {
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'here',
  preferences: {},
  contexts: [{ name: 'here', context: { cluster: 'prod', user: 'me', namespace: 'x' } }],
  clusters: [
    {
      name: 'prod',
      cluster: {
        server: 'https://me:secret@192.0.2.1:6443/base',
        'certificate-authority-data': 'AAAA',
        'tls-server-name': 'kubernetes',
        'proxy-url': 'http://proxy.example:3128',
        'insecure-skip-tls-verify': true,
      },
    },
  ],
  users: [
    {
      name: 'me',
      user: {
        token: 'abc',
        username: 'me',
        password: 'secret',
        as: 'other',
        'client-certificate-data': 'AAAA',
        'client-key-data': 'AAAA',
      },
    },
    {
      name: 'plugin',
      user: {
        exec: { apiVersion: 'x', command: '', args: ['a'], env: [{ name: 'A', value: 'b' }] },
      },
    },
    { name: 'provider', user: { 'auth-provider': { name: 'oidc', config: { a: 'b' } } } },
  ],
};

faultTest(
  test,
  'hostile-input',
  async (t, report) => {
    const fuzzing = new Fuzzing(t);
    const file = path.join(temporaryFolder(t), 'config');
    const names = [
      'me',
      'plugin',
      'provider',
      'here',
      'prod',
      'socks5://x',
      'http://',
      'https://[',
    ];
    const check = async (text: string) => {
      writeFileSync(file, text);
      let access: ReturnType<typeof loadKubeconfig>;
      try {
        access = withHiddenPassword(loadKubeconfig(file));
      } catch (error) {
        assert.ok(error instanceof MendableError, error instanceof Error ? error.stack : '');
        assert.ok(!error.message.includes('\n'), error.message);
        return;
      }
      assert.ok(!access.server.href.includes('@'));
      // Nothing that comes of it is run.
      if (text.includes('exec')) return;
      try {
        const { headers } = await access.credentials();
        assert.ok(Object.values(headers).every((value) => typeof value === 'string'));
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    };
    await fuzzing.runAsync({
      what: 'kubeconfigs',
      input: mutatedText(
        [stringify(KUBECONFIG), JSON.stringify(KUBECONFIG)],
        [...YAML_WORDS, ...names],
      ),
      runs: 300,
      check,
    });
    await fuzzing.runAsync({
      what: 'kubeconfigs of good YAML',
      input: mutatedJson([KUBECONFIG], names),
      runs: 1_000,
      check: (json) => check(JSON.stringify(json) ?? ''),
    });
    report(fuzzing.figures);
  },
  'kubeconfigs',
);
