// SPDX-License-Identifier: Apache-2.0
// `status` names settings of the host that swallow packets from outside, which nothing else tells of; and says
// nothing of them where they do no harm.

import test, { type ExecutionContext } from 'ava';
import { output } from './device-programs.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { TestNode } from './test-node.ts';

const PORTS = '50000-50999';
const CGROUP_NOT_ROOT = /the cgroup is not the root/i;

const node = nodeForFile(test, async (made) => {
  await made.configure(
    'link add up0 type veth peer name far0',
    'addr add 192.0.2.1/24 dev up0',
    'link set up0 up',
  );
  serve('192.0.2.1', made);
  made.agent.flags = ['--masquerade-ports', PORTS];
  await made.agent.start();
});

function serve(backend: string, on = node()): void {
  on.write('web', kubeService('web', ['10.96.0.1'], bothProtocols(80, [backend])));
}

async function set(sysctl: string, value: string): Promise<void> {
  await output(node(), ['sh', '-c', `echo '${value}' > /proc/sys/${sysctl}`]);
}

/** What is warned of: names of sysctls. */
async function warnsOf(t: ExecutionContext, ...sysctls: readonly string[]): Promise<void> {
  const { code, stdout } = await node().signalbox('status');
  t.is(code, 0, stdout);
  const warnings = stdout.split('\n').filter((line) => line.startsWith('Warning'));
  // True of every node of a test, and found at its start.
  const ofCgroup = warnings.filter((line) => CGROUP_NOT_ROOT.test(line));
  t.is(ofCgroup.length, 1, stdout);
  t.deepEqual(
    warnings.filter((line) => !ofCgroup.includes(line)).map((line) => /net\.\S+\w/.exec(line)?.[0]),
    [...sysctls],
  );
}

test.serial('a node that sends nothing on', async (t) => {
  if (!canMakeNodes(t)) return;
  await set('net/ipv4/ip_forward', '0');
  await warnsOf(t);
  serve('10.244.1.1');
  await programmed(node(), '10.96.0.1:80/UDP', ['10.244.1.1:8080']);
  await warnsOf(t, 'net.ipv4.ip_forward');
  await set('net/ipv4/ip_forward', '1');
  await warnsOf(t);
});

test.serial('ports that somebody gave back', async (t) => {
  if (!canMakeNodes(t)) return;
  await set('net/ipv4/ip_local_reserved_ports', '');
  await warnsOf(t, 'net.ipv4.ip_local_reserved_ports');
  await set('net/ipv4/ip_local_reserved_ports', PORTS);
  await warnsOf(t);
});

test.serial('an agent that starts elsewhere with the same tables says so, once', async (t) => {
  if (!canMakeNodes(t)) return;
  const elsewhere = await TestNode.create();
  t.teardown(() => elsewhere.close());
  await node().agent.end('SIGTERM');
  elsewhere.agent.flags = ['--bpffs', node().bpffs];
  const isTold = () =>
    elsewhere.agent.log.some(({ msg }) => /was in another network namespace/.test(`${msg}`));
  await elsewhere.agent.start();
  t.true(isTold());
  await elsewhere.agent.end('SIGTERM');
  await elsewhere.agent.start();
  t.false(isTold());
  await elsewhere.agent.end('SIGTERM');
  await node().agent.start();
});

test.serial('asked elsewhere', async (t) => {
  if (!canMakeNodes(t)) return;
  const elsewhere = await TestNode.create();
  t.teardown(() => elsewhere.close());
  const { stdout } = await elsewhere.run(node().signalboxArgv('status', '--bpffs', node().bpffs));
  t.regex(stdout, /^Warning +this is another network namespace than the agent’s/m);
});
