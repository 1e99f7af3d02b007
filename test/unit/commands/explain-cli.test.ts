// SPDX-License-Identifier: Apache-2.0
// `signalbox explain` as people and scripts run it, without a cluster: arguments, batches, exit codes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { temporaryFolder } from '../cluster/temporary-folder.ts';
import { serve } from '../lab/api-client.ts';

const MAIN = path.join(import.meta.dirname, '../../../agent/main.ts');
const MANIFEST = path.join(import.meta.dirname, 'explain-cluster.yaml');
const POD = '10.244.1.9';

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]) {
  return spawn(process.execPath, [MAIN, 'explain', ...args], { stdio: 'pipe' });
}

async function run(args: readonly string[], input = ''): Promise<Run> {
  const child = start(args);
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'close'),
  ]);
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

const explain = (...args: string[]) => run(['--manifests', MANIFEST, ...args]);
const json = async (...args: string[]) => JSON.parse((await explain('-o', 'json', ...args)).stdout);

test('a file of manifests answers, with exit code 0 whatever the verdict', async (t) => {
  const { code, stdout, stderr } = await explain(POD, 'tcp/10.96.0.2:80');
  t.deepEqual([code, stderr], [0, '']);
  t.regex(stdout, /^REJECT {2}10.244.1.9 -> tcp\/10.96.0.2:80: connection refused\n/);
  // Nothing here is a terminal.
  t.false(stdout.includes('\u001b'));
});

test('JSON is one object on one line', async (t) => {
  const { stdout } = await explain('-o', 'json', 'host', 'tcp/10.96.0.1:80');
  t.is(stdout.trim().split('\n').length, 1);
  t.like(JSON.parse(stdout), { verdict: 'forward', service: 'default/quote', snat: true });
});

test('a folder is read too, and what cannot be read is named', async (t) => {
  const dir = temporaryFolder(t);
  copyFileSync(MANIFEST, path.join(dir, 'a.yaml'));
  writeFileSync(path.join(dir, 'b.yaml'), 'kind: [');
  mkdirSync(path.join(dir, 'c.yaml'));
  const { code, stdout, stderr } = await run(['--manifests', dir, 'host', 'tcp/10.96.0.1:80']);
  t.is(code, 0);
  t.regex(stdout, /^FORWARD/);
  t.regex(stderr, /^signalbox: .*b\.yaml: .+\n$/);
});

test('what makes an answer worth less is told beside it', async (t) => {
  const told = async (...args: string[]) => {
    const { code, stderr } = await run([...args, 'host', 'tcp/10.96.0.8:80']);
    t.is(code, 0);
    return stderr.replaceAll('signalbox: ', '').split('\n').slice(0, -1);
  };
  const leftOut = path.join(import.meta.dirname, 'explain-left-out.yaml');
  const [texts, far, ...more] = await told('--manifests', leftOut);
  t.regex(texts ?? '', /^Service default\/texts left out: spec\.ports\[0\]\.port: /);
  t.regex(far ?? '', /^Service default\/far left out: spec\.ports\[0\]\.protocol: /);
  t.deepEqual(more, ['Service default/written left out: has no clusterIP']);

  const [unknown, ...others] = await told('--manifests', MANIFEST, '--node-name', 'node-9');
  t.regex(unknown ?? '', /^there is no Node node-9 in .*explain-cluster\.yaml, which has node-1: /);
  t.deepEqual(others, []);

  const empty = temporaryFolder(t);
  writeFileSync(path.join(empty, 'a.yaml.bak'), readFileSync(MANIFEST));
  t.deepEqual(await told('--manifests', empty), [
    `no manifest in ${empty}: files end in .yaml, .yml or .json, subfolders are not read`,
  ]);

  const service = { apiVersion: 'v1', kind: 'Service', spec: { clusterIP: '10.96.0.8', ports: 1 } };
  const items = Array.from({ length: 12 }, (_, i) => ({ ...service, metadata: { name: `s${i}` } }));
  writeFileSync(path.join(empty, 'a.json'), JSON.stringify({ kind: 'List', items }));
  const many = await told('--manifests', empty);
  t.deepEqual(many.slice(10), [
    'and 2 more objects left out',
    `no manifest in ${empty} has a Service that counts`,
  ]);
});

test('an externalIP outside of the allowed ranges passes, and explain says why', async (t) => {
  const leftOut = path.join(import.meta.dirname, 'explain-external-ips.yaml');
  const ask = async (...more: string[]) =>
    (await run(['--manifests', leftOut, ...more, 'external', 'tcp/192.0.2.9:80'])).stdout;
  t.regex(await ask(), /^FORWARD/);
  t.regex(await ask('--external-ip-cidrs', '198.51.100.0/24,192.0.2.8/31'), /^FORWARD/);
  for (const cidrs of ['198.51.100.0/24', '']) {
    const answer = await ask('--external-ip-cidrs', cidrs);
    t.regex(answer, /^PASS/);
    t.regex(
      answer,
      /Service default\/web: spec\.externalIPs: 192\.0\.2\.9: in no range of --external/,
    );
  }
  const { code, stderr } = await run([
    '--external-ip-cidrs',
    '192.0.2.9/x',
    'host',
    'tcp/192.0.2.9:80',
  ]);
  t.is(code, 2);
  t.regex(stderr, /--external-ip-cidrs: 192\.0\.2\.9\/x is not a CIDR/);
});

test('the node is the only one of the manifests, unless options say another', async (t) => {
  const local = async (...more: string[]) =>
    (await json('external', 'tcp/198.51.100.2:80', ...more)).backends.length;
  t.is(await local(), 1);
  t.is(await local('--node-name', 'Node-2'), 1);
  t.is(await local('--node-name', 'node-3'), 0);
  t.is(await local('--hostname-override', 'node-3'), 0);
});

test('options say what the node is', async (t) => {
  const origin = async (from: string, ...more: string[]) =>
    (await json(from, 'tcp/10.96.0.1:80', ...more)).origin;
  t.is(await origin('10.244.2.9'), 'external');
  t.is(await origin('10.244.2.9', '--cluster-cidr', '10.244.0.0/16,fd01::/48'), 'pod');
  t.is(await origin('172.17.0.1'), 'external');
  const bridge = ['--local-addresses', '172.17.0.1'];
  t.is(await origin('172.17.0.1', ...bridge), 'host');
  t.is(await origin('192.168.0.1', ...bridge), 'host');
  const verdict = async (from: string, to: string, ...more: string[]) =>
    (await json(from, to, ...more)).verdict;
  const nodePort = 'tcp/192.168.0.1:30080';
  t.is(await verdict('external', nodePort), 'forward');
  t.is(await verdict('external', nodePort, '--nodeport-addresses', '10.0.0.0/8'), 'pass');
  t.is(await verdict('external', 'tcp/192.168.0.9:30080', '--node-ip', '192.168.0.9'), 'forward');
  t.is(await verdict('external', 'tcp/10.96.9.9:80', '--service-cidr', '10.96.0.0/24'), 'pass');
  const twice = (option: string, a: string, b: string) => [option, a, option, b];
  const [no, yes] = ['10.0.0.0/8', '192.168.0.0/16'];
  t.is(await verdict('external', nodePort, ...twice('--nodeport-addresses', yes, no)), 'forward');
  t.is(await verdict('host', 'tcp/10.96.9.9:80', ...twice('--service-cidr', no, yes)), 'drop');
  // As kube-proxy has it, the last one counts.
  t.is(await origin('10.244.2.9', ...twice('--cluster-cidr', yes, '10.244.0.0/16')), 'pod');
  t.is(await origin('10.244.2.9', ...twice('--cluster-cidr', '10.244.0.0/16', yes)), 'external');
  t.is(await origin('172.17.0.1', ...twice('--local-addresses', '172.17.0.1', 'fd02::1')), 'host');
  t.is(await origin('192.168.0.9', ...twice('--node-ip', '192.168.0.9', 'fd02::1')), 'host');
  t.false((await json(POD, 'tcp/10.96.0.1:80')).snat);
  t.true((await json(POD, 'tcp/10.96.0.1:80', '--masquerade-all')).snat);
});

test('a batch is answered in order; what is no query costs only itself', async (t) => {
  const queries = `# why
host tcp/10.96.0.1:80

  ${POD}   TCP/10.96.0.2:80
nonsense
external udp/10.96.0.1:53`;
  const batch = await run(['--manifests', MANIFEST, '-o', 'json', '-'], queries);
  t.is(batch.code, 2);
  t.is(batch.stderr, '');
  const answers = batch.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.deepEqual(
    answers.map(({ to, verdict, query }) => query ?? `${to} ${verdict}`),
    ['tcp/10.96.0.1:80 forward', 'tcp/10.96.0.2:80 reject', 'nonsense', 'udp/10.96.0.1:53 forward'],
  );
  t.regex(answers[2].error, /two words/);
  const text = await run(['--manifests', MANIFEST, '-'], queries);
  t.is(text.code, 2);
  t.is(text.stdout.trim().split('\n').length, 3);
  t.regex(text.stderr, /^signalbox: nonsense: .*two words.*\n$/);
});

test('a batch without a mistake ends well, an empty one too', async (t) => {
  const args = ['--manifests', MANIFEST, '-'];
  t.is((await run(args, 'host tcp/10.96.0.1:80\n')).code, 0);
  t.deepEqual(await run(args, ''), { code: 0, stdout: '', stderr: '' });
});

test('each query is answered before the next is read', async (t) => {
  const child = start(['--manifests', MANIFEST, '-o', 'json', '-']);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (const port of [80, 81, 82]) {
    child.stdin.write(`host tcp/10.96.0.1:${port}\n`);
    const { value = '' } = await answers.next();
    t.is(JSON.parse(value).to, `tcp/10.96.0.1:${port}`);
  }
  child.stdin.end();
  t.deepEqual(await once(child, 'close'), [0, null]);
});

test('a reader that has seen enough is no mistake', async (t) => {
  const child = start(['--manifests', MANIFEST, '-']);
  const errors = child.stderr.setEncoding('utf8').toArray();
  child.stdin.on('error', () => {});
  child.stdout.once('data', () => child.stdout.destroy());
  child.stdin.end('host tcp/10.96.0.1:80\n'.repeat(20_000));
  t.deepEqual(await once(child, 'close'), [0, null]);
  t.deepEqual(await errors, []);
});

test('the API server is listed once', async (t) => {
  const { store, url } = await serve(t);
  for (const document of parseAllDocuments(readFileSync(MANIFEST, 'utf8'))) {
    const object = document.toJS();
    // No API server would take it.
    if (object.metadata.name === 'thief') continue;
    const namespace = ['Node', 'ServiceCIDR'].includes(object.kind) ? {} : { namespace: 'default' };
    store.create({ ...object, metadata: { ...namespace, ...object.metadata } });
  }
  const ask = (node: string, ...args: string[]) =>
    run(['--master', url, '--node-name', node, '-o', 'json', ...args]);
  const { code, stdout, stderr } = await ask('node-1', POD, 'tcp/10.96.0.3:80');
  t.deepEqual([code, stderr], [0, '']);
  t.deepEqual(JSON.parse(stdout), await json(POD, 'tcp/10.96.0.3:80'));
  const other = await ask('node-9', POD, 'tcp/10.96.0.9:80');
  t.regex(other.stderr, /^signalbox: there is no Node node-9: .*\n$/);
  t.is(JSON.parse(other.stdout).verdict, 'drop');
});

const refuses = test.macro({
  async exec(t, args: readonly string[], code: number, says: RegExp) {
    const ran = await run(args);
    t.is(ran.code, code);
    t.is(ran.stdout, '');
    t.regex(ran.stderr, says);
  },
  title: (_, args) => `refuses ${String(args).replaceAll(MANIFEST, 'FILE')}`,
});
const TO = 'tcp/10.96.0.1:80';
const from = ['--manifests', MANIFEST];
test(refuses, [...from, 'nobody', TO], 2, /^signalbox: FROM nobody: .*\n$/);
test(refuses, [...from, 'host', '10.96.0.1'], 2, /^signalbox: TO 10.96.0.1: .*\n$/);
test(refuses, [...from, 'host'], 2, /two arguments/);
test(refuses, [...from], 2, /missing required argument/);
test(refuses, [...from, 'host', TO, 'more'], 2, /too many arguments/);
test(refuses, [...from, '--kubeconfig', 'x', 'host', TO], 2, /cannot be used with/);
test(refuses, [...from, '--node-ip', '1.2.3', 'host', TO], 2, /--node-ip.*1\.2\.3/);
test(
  refuses,
  [...from, '--cluster-cidr', '10.0.0.1', 'host', TO],
  2,
  /--cluster-cidr.*10\.0\.0\.1/,
);
test(refuses, [...from, '--nodeport-addresses', 'primary,x', 'host', TO], 2, /primary must stand/);
test(refuses, [...from, '--local-addresses', 'lo', 'host', TO], 2, /--local-addresses.*lo/);
test(refuses, ['--node-name', 'x', 'host', TO], 2, /--node-name is for facts from --manifests/);
test(
  refuses,
  ['--manifests', '/nowhere', 'host', TO],
  1,
  /cannot read manifests.*\n {2}name a folder/,
);
test(refuses, ['--kubeconfig', '/nowhere', 'host', TO], 1, /kubeconfig \/nowhere/);
test(refuses, ['--master', 'http://127.0.0.1:1', 'host', TO], 1, /cannot list .*127\.0\.0\.1:1/);

test('--help has examples', async (t) => {
  const { code, stdout } = await run(['--help']);
  t.is(code, 0);
  t.regex(stdout, /signalbox explain external tcp\/192\.0\.2\.7:30080/);
});
