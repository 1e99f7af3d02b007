// SPDX-License-Identifier: Apache-2.0
// The virtual machines themselves, with the oldest kernel: what a command there says comes back, it can do what tests
// need, and nothing of it reaches this machine. Few starts: each takes seconds.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { ROOT } from '../../scripts/command.ts';
import { GuestError, type GuestRun, runInGuest } from '../../scripts/guest/boot.ts';
import { fetchKernel } from '../../scripts/guest/fetch-kernel.ts';
import { requireGuest } from '../helpers/requirements.ts';

/** The first time, the kernel is downloaded. */
const PATIENCE_MS = 10 * 60_000;
const MAIN = path.join(ROOT, 'scripts/guest/main.ts');

async function run(t: ExecutionContext, options: Omit<GuestRun, 'kernel'>) {
  t.timeout(PATIENCE_MS);
  const kernel = await fetchKernel('oldest', { onProgress: (line) => t.log(line) });
  const said = { stdout: '', stderr: '' };
  const { exitCode } = await runInGuest({
    ...options,
    kernel,
    onOutput(bytes, stream) {
      said[stream] += bytes.toString('latin1');
    },
  });
  return { exitCode, ...said, kernel };
}

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "signalbox vm's, "));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

test.serial(
  'exit code, output, arguments, folder and environment are the command’s own',
  async (t) => {
    if (!requireGuest(t)) return;
    const words = ['a b', "it's", 'say "x"', 'two\nlines', '$HOME *', '', '\\'];
    const cwd = temporaryFolder(t);
    const script = `printf '%s|' "$@" "$WORD" "$SIGNALBOX_GUEST"; pwd; head -c 300000 /dev/zero; printf '\\r\\377' >&2
echo again >/dev/stderr; kill -KILL $$`;
    const { exitCode, stdout, stderr } = await run(t, {
      command: ['sh', '-c', script, 'sh', ...words],
      cwd,
      env: { WORD: "o'clock" },
    });
    t.is(exitCode, 128 + 9);
    const expected = `${[...words, "o'clock", '1', cwd].join('|')}\n`;
    t.is(stdout.slice(0, expected.length), expected);
    t.is(stdout.slice(expected.length), '\0'.repeat(300_000));
    t.is(stderr, '\r\xffagain\n');
  },
);

test.serial(
  'a guest can do what tests need, and nothing is left of it but one folder',
  async (t) => {
    if (!requireGuest(t)) return;
    const folder = temporaryFolder(t);
    const outDirectory = temporaryFolder(t);
    const script = `set -e
ls /sys/class/net; uname -r; id -u
echo changed >"$1/written"; [ -f "$1/written" ]; echo back >"$2/back"; [ "$2" = "$SIGNALBOX_GUEST_OUT" ]
ip netns add pod; ip link add node0 type veth peer name eth0 netns pod; ip tuntap add dev tap0 mode tap
tc qdisc add dev node0 clsact; nft add table inet own; iptables-legacy -t nat -S >/dev/null
mkdir /sys/fs/cgroup/own /sys/fs/bpf/own; [ -f /sys/kernel/tracing/trace ]; [ -c /dev/ptmx ]; [ -d /dev/shm ]
ip -o address show dev lo | grep -q 127.0.0.1
sleep 1000 & echo end`;
    const { exitCode, stdout, stderr, kernel } = await run(t, {
      command: ['sh', '-c', script, 'sh', folder, outDirectory],
      outDirectory,
    });
    t.is(stderr, '');
    t.is(stdout, `lo\n${kernel.release}\n0\nend\n`);
    t.is(exitCode, 0);
    t.deepEqual(readdirSync(folder), []);
    t.is(readFileSync(path.join(outDirectory, 'back'), 'utf8'), 'back\n');
  },
);

test.serial('a guest whose kernel dies says of what', async (t) => {
  if (!requireGuest(t)) return;
  const command = ['sh', '-c', 'echo c >/proc/sysrq-trigger; sleep 1000'];
  const error = await t.throwsAsync(run(t, { command }), { instanceOf: GuestError });
  t.is(error.reason, 'died');
  t.regex(error.console, /Kernel panic - not syncing: sysrq triggered crash/);
  t.true(error.message.includes(error.console));
});

test.serial('a guest can be stopped', async (t) => {
  if (!requireGuest(t)) return;
  const outDirectory = temporaryFolder(t);
  const command = ['sh', '-c', `touch "$SIGNALBOX_GUEST_OUT/began"; sleep 1000`];
  const stopping = new AbortController();
  const guest = run(t, { command, outDirectory, signal: stopping.signal });
  while (!existsSync(path.join(outDirectory, 'began'))) await sleep(50);
  stopping.abort();
  t.is((await t.throwsAsync(guest, { instanceOf: GuestError })).reason, 'stopped');
});

test.serial('the command line tells that the time was over', async (t) => {
  if (!requireGuest(t)) return;
  t.timeout(PATIENCE_MS);
  const guest = promisify(execFile)(process.execPath, [MAIN, '--timeout', '1', 'sleep', '1000']);
  const error = (await t.throwsAsync(guest)) as Error & { code: number; stderr: string };
  t.is(error.code, 124);
  t.regex(error.stderr, /vm: the guest with kernel \S+ was ended after 1 s/);
});

test.serial('the command line lists the kernels', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, '--list']);
  t.regex(stdout, /^NAME +OF +PACKAGE +VERSION\n6\.1 +Debian 12 /);
});
