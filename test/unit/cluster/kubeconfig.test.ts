// SPDX-License-Identifier: Apache-2.0
// Kubeconfig files: what they lead to, on the wire where that can be seen, and what is wrong with them.

import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { ApiAccess } from '../../../agent/cluster/api-access.ts';
import { createApiClient } from '../../../agent/cluster/api-client.ts';
import { loadKubeconfig } from '../../../agent/cluster/kubeconfig.ts';
import { EnvironmentError } from '../../../agent/errors.ts';
import { startScript } from './scripted-server.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { CA_CRT, CLIENT_CRT, CLIENT_KEY, SERVER_CRT, SERVER_KEY } from './test-certificates.ts';

interface Entries {
  readonly cluster?: object;
  readonly user?: object;
}

/** Writes a kubeconfig with one cluster and one user, and whatever files stand beside it. */
function kubeconfig(
  t: ExecutionContext,
  { cluster = {}, user = {} }: Entries,
  files: Record<string, string> = {},
): string {
  const dir = temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const file = join(dir, 'config');
  const config = {
    'current-context': 'here',
    contexts: [
      { name: 'other', context: { cluster: 'none', user: 'none' } },
      { name: 'here', context: { cluster: 'prod', user: 'me' } },
    ],
    clusters: [{ name: 'prod', cluster: { server: 'https://192.0.2.1:6443/', ...cluster } }],
    users: [{ name: 'me', user }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

const authorizes = test.macro({
  async exec(t, user: object, header: string | undefined, files: Record<string, string> = {}) {
    const { headers } = await loadKubeconfig(kubeconfig(t, { user }, files)).credentials();
    t.is(headers.Authorization, header);
  },
  title: (what) => `the user proves who it is: ${what}`,
});
test('a token', authorizes, { token: 'abc' }, 'Bearer abc');
test('a token in a file beside the kubeconfig', authorizes, { tokenFile: 'tok' }, 'Bearer abc', {
  tok: 'abc\n',
});
test(
  'a token in a file wins over one in the kubeconfig',
  authorizes,
  { token: 'old', tokenFile: 'tok' },
  'Bearer abc',
  { tok: 'abc' },
);
test(
  'a name and a password',
  authorizes,
  { username: 'me', password: 'é:x' },
  `Basic ${base64('me:é:x')}`,
);
test('nothing', authorizes, {}, undefined);
test(
  'an auth-provider that is only a file',
  authorizes,
  { 'auth-provider': { name: 'tokenFile', config: { tokenFile: 'tok' } } },
  'Bearer abc',
  { tok: 'abc' },
);

test('a token in a file is read again when it has rotated', async (t) => {
  const file = kubeconfig(t, { user: { tokenFile: 'tok' } }, { tok: 'first' });
  const access = loadKubeconfig(file);
  t.is((await access.credentials()).headers.Authorization, 'Bearer first');
  writeFileSync(join(file, '..', 'tok'), 'second');
  t.is((await access.credentials()).headers.Authorization, 'Bearer second');
});

test('a user who acts for another', async (t) => {
  const access = loadKubeconfig(kubeconfig(t, { user: { as: 'other', token: 'abc' } }));
  t.is((await access.credentials()).headers['Impersonate-User'], 'other');
});

test('a context without a user is anonymous', async (t) => {
  const file = kubeconfig(t, {});
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.contexts[1].context.user = undefined;
  writeFileSync(file, JSON.stringify(config));
  t.deepEqual((await loadKubeconfig(file).credentials()).headers, {});
});

test('the file may be YAML, with merge keys', (t) => {
  const file = join(temporaryFolder(t), 'config');
  writeFileSync(
    file,
    `current-context: here
contexts: [{ name: here, context: { cluster: prod } }]
defaults: &defaults { server: 'https://192.0.2.1:6443' }
clusters: [{ name: prod, cluster: { <<: *defaults } }]
`,
  );
  t.is(loadKubeconfig(file).server.href, 'https://192.0.2.1:6443/');
});

/** One request to a server that wants a client's certificate and has one for kubernetes.test. */
async function request(t: ExecutionContext, access: (url: string) => ApiAccess): Promise<string> {
  const server = await startScript(
    t,
    [
      (response, { socket }) => {
        const { subject } = (socket as TLSSocket).getPeerCertificate();
        response.end(JSON.stringify(subject?.CN ?? 'nobody'));
      },
    ],
    { cert: SERVER_CRT, key: SERVER_KEY, ca: CA_CRT, requestCert: true, rejectUnauthorized: false },
  );
  const client = createApiClient({ access: access(server.url.href) });
  t.teardown(() => client.close());
  const { signal } = new AbortController();
  return String(await client.get({ path: '/', query: {}, signal }));
}

const NAME = { 'tls-server-name': 'kubernetes.test' };
const PEM_FILES = { 'ca.crt': CA_CRT, 'me.crt': CLIENT_CRT, 'me.key': CLIENT_KEY };

const connects = test.macro({
  async exec(t, { cluster, user = {} }: Entries, peer: string) {
    const seen = await request(t, (server) =>
      loadKubeconfig(kubeconfig(t, { cluster: { server, ...cluster }, user }, PEM_FILES)),
    );
    t.is(seen, peer);
  },
  title: (what) => `TLS: ${what}`,
});
test(
  'certificates in files beside the kubeconfig',
  connects,
  {
    cluster: { 'certificate-authority': 'ca.crt', ...NAME },
    user: { 'client-certificate': 'me.crt', 'client-key': 'me.key' },
  },
  'client',
);
test(
  'certificates in the kubeconfig',
  connects,
  {
    cluster: { 'certificate-authority-data': base64(CA_CRT), ...NAME },
    user: { 'client-certificate-data': base64(CLIENT_CRT), 'client-key-data': base64(CLIENT_KEY) },
  },
  'client',
);
test('no check at all', connects, { cluster: { 'insecure-skip-tls-verify': true } }, 'nobody');

const distrusts = test.macro({
  async exec(t, cluster: object, message: RegExp) {
    const attempt = request(t, (server) =>
      loadKubeconfig(kubeconfig(t, { cluster: { server, ...cluster } }, PEM_FILES)),
    );
    await t.throwsAsync(attempt, { message });
  },
  title: (what) => `TLS is refused: ${what}`,
});
test('an unknown authority', distrusts, NAME, /unable to verify|self-signed/);
test("not the server's name", distrusts, { 'certificate-authority': 'ca.crt' }, /altnames/);

/** A plugin that counts its runs in a file and gives back what it was given. */
const PLUGIN = `#!/bin/sh
echo run >> "$RUNS"
if [ -e "$RUNS.fail" ]; then echo "log in first" >&2; exit 3; fi
echo "$KUBERNETES_EXEC_INFO" > "$RUNS.input"
echo '{"kind": "ExecCredential", "status": {"token": "'$1'"}}'
`;

function execSetup(t: ExecutionContext) {
  const runs = join(temporaryFolder(t), 'runs');
  writeFileSync(runs, '');
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './plugin',
    args: ['abc'],
    env: [{ name: 'RUNS', value: runs }],
  };
  const file = kubeconfig(t, { user: { exec } }, { plugin: PLUGIN });
  chmodSync(join(file, '..', 'plugin'), 0o755);
  return { runs, access: loadKubeconfig(file), count: () => readFileSync(runs, 'utf8').length / 4 };
}

test('an exec plugin beside the kubeconfig is run once, also for two at a time, and told what is wanted', async (t) => {
  const { access, count, runs } = execSetup(t);
  const both = await Promise.all([access.credentials(), access.credentials()]);
  for (const { headers } of both) t.is(headers.Authorization, 'Bearer abc');
  await access.credentials();
  t.is(count(), 1);
  t.deepEqual(JSON.parse(readFileSync(`${runs}.input`, 'utf8')), {
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false },
  });
  access.forget();
  await access.credentials();
  t.is(count(), 2);
});

test('an exec plugin that fails is named, with what it said, and run again', async (t) => {
  const { access, runs, count } = execSetup(t);
  writeFileSync(`${runs}.fail`, '');
  await t.throwsAsync(access.credentials(), {
    message: /^exec plugin \/.*\/plugin: log in first$/,
  });
  await t.throwsAsync(access.credentials());
  t.is(count(), 2);
});

for (const printed of ['eyJhbGci.hunter2', '{"status": ["hunter2"', '{"token": "hunter2"}']) {
  test(`what an exec plugin printed is not quoted: ${printed}`, async (t) => {
    const exec = { command: 'echo', args: [printed] };
    const access = loadKubeconfig(kubeconfig(t, { user: { exec } }));
    const error = await t.throwsAsync(access.credentials(), {
      message: /is not an ExecCredential/,
    });
    t.notRegex(inspect(error), /hunter2|eyJ/);
  });
}

test('an exec plugin that does not exist is named', async (t) => {
  const user = { exec: { command: 'signalbox-no-such-plugin' } };
  const access = loadKubeconfig(kubeconfig(t, { user }));
  await t.throwsAsync(access.credentials(), { message: /signalbox-no-such-plugin.*ENOENT/ });
});

const refuses = test.macro({
  exec(t, make: Entries | string | undefined, message: RegExp) {
    const file =
      typeof make === 'object' ? kubeconfig(t, make) : join(temporaryFolder(t), 'config');
    if (typeof make === 'string') writeFileSync(file, make);
    const error = t.throws(() => loadKubeconfig(file), { instanceOf: EnvironmentError });
    t.regex(error?.message ?? '', message);
    t.true(error?.message.startsWith(`kubeconfig ${file}: `));
    t.false(error?.message.includes('\n'));
    t.truthy(error?.hint);
  },
  title: (what) => `a kubeconfig that cannot be used: ${what}`,
});
test('no file', refuses, undefined, /ENOENT/);
test('no YAML', refuses, 'a: [', /line 1, column 5/);
test('YAML that refers to nothing', refuses, 'a: *b', /alias/);
test('no object', refuses, 'hello', /holds no object/);
test('several documents', refuses, 'a: 1\n---\na: 2', /holds several YAML documents/);
test('a key twice', refuses, 'a: 1\na: 2', /a key stands twice at line 2, column 1$/);
test('a server that is no text', refuses, { cluster: { server: 5 } }, /server is not a text$/);
test(
  'a proxy that is no text',
  refuses,
  { cluster: { 'proxy-url': { a: 1 } } },
  /cluster "prod": proxy-url is not a text$/,
);
test(
  'a file that is no text',
  refuses,
  { cluster: { 'certificate-authority': ['a'] } },
  /certificate-authority is not a text$/,
);
test(
  'a password of digits alone, which is not quoted in the message',
  refuses,
  { user: { username: 'me', password: 4711 } },
  /user "me": password is not a text$/,
);
test(
  'a number in place of a file of a token',
  refuses,
  { user: { 'token-file': 0 } },
  /not a text$/,
);
test('no current-context', refuses, '{}', /has no current-context/);
test('no such context', refuses, 'current-context: x', /has no context named "x"/);
test(
  'a context without a cluster',
  refuses,
  'current-context: x\ncontexts: [{name: x, context: {}}]',
  /context "x": .*cluster is missing/,
);
test(
  'no such cluster',
  refuses,
  'current-context: x\ncontexts: [{name: x, context: {cluster: c}}]',
  /has no cluster named "c"/,
);
test(
  'no such user',
  refuses,
  'current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: "http://x"}}]',
  /has no user named "u"/,
);
test(
  'a cluster without a server',
  refuses,
  { cluster: { server: '' } },
  /cluster "prod": .*server/,
);
test('a server that is a number', refuses, { cluster: { server: 7 } }, /cluster "prod": /);
test(
  'a server without a scheme',
  refuses,
  { cluster: { server: 'x:6443' } },
  /"x:6443" is not the URL/,
);
test(
  'a certificate that is not there',
  refuses,
  { cluster: { 'certificate-authority': 'ca.crt' } },
  /ENOENT.*ca\.crt/,
);
test('a token file that is not there', refuses, { user: { tokenFile: 'tok' } }, /ENOENT.*tok/);
test('a proxy for SOCKS', refuses, { cluster: { 'proxy-url': 'socks5://x' } }, /proxy-url socks5/);
test(
  'a proxy that is no URL, without its password',
  refuses,
  { cluster: { 'proxy-url': 'http://me:hunter2@[bad' } },
  /proxy-url http:\/\/\.\.\.@\[bad is not/,
);
test('exec without a command', refuses, { user: { exec: {} } }, /exec has no command/);
test(
  'an auth-provider',
  refuses,
  { user: { 'auth-provider': { name: 'gcp' } } },
  /user "me": auth-provider "gcp" is not supported/,
);
