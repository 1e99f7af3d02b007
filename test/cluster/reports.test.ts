// SPDX-License-Identifier: Apache-2.0
// What other programs say, as they say it: `vagrant ssh-config`, Ginkgo's report.

import test from 'ava';
import { outcomesOf } from './conformance-report.ts';
import { machinesOf } from './vagrant.ts';

const SSH_CONFIG = `Host cp
  HostName 192.168.121.52
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/somewhere/with a space/private_key"
  IdentitiesOnly yes
  LogLevel FATAL

Host w2
  HostName 127.0.0.1
  User vagrant
  Port 2201
  UserKnownHostsFile /dev/null
  IdentityFile /somewhere/insecure_private_key

The provider for this Vagrant-managed machine is reporting that it
is not yet ready for SSH.
`;

test("Vagrant's machines that run become an inventory", (t) => {
  t.deepEqual(machinesOf(SSH_CONFIG), [
    {
      name: 'cp',
      role: 'control-plane',
      address: { ipv4: '192.168.56.10', ipv6: 'fd00:192:168:56::10' },
      ssh: {
        host: '192.168.121.52',
        port: 22,
        user: 'vagrant',
        identityFile: '/somewhere/with a space/private_key',
        options: [
          'UserKnownHostsFile=/dev/null',
          'StrictHostKeyChecking=no',
          'PasswordAuthentication=no',
          'IdentitiesOnly=yes',
          'LogLevel=FATAL',
        ],
      },
    },
    {
      name: 'w2',
      role: 'worker',
      address: { ipv4: '192.168.56.12', ipv6: 'fd00:192:168:56::12' },
      ssh: {
        host: '127.0.0.1',
        port: 2201,
        user: 'vagrant',
        identityFile: '/somewhere/insecure_private_key',
        options: ['UserKnownHostsFile=/dev/null'],
      },
    },
  ]);
  t.deepEqual(machinesOf('The machine with the name cp was not found\n'), []);
});

test("each test of Ginkgo's report has one verdict; its own steps count when they fail", (t) => {
  const report = `<testsuites tests="6"><testsuite name="Kubernetes e2e suite">
      <testcase name="[SynchronizedBeforeSuite]" classname="Kubernetes e2e suite" status="passed" time="0.1">
      <testcase name="[It] [sig-network] Services should a &amp; b [Conformance]" classname="K" status="passed" time="1">
          <system-err>status=&#34;failed&#34;</system-err>
      <testcase name="[It] [sig-network] Services should c" classname="K" status="timedout" time="2">
      <testcase name="[It] [sig-apps] Job should d" classname="K" status="skipped" time="0"></testcase>
      <testcase name="[SynchronizedAfterSuite]" classname="K" status="panicked" time="0.1">
    </testsuite></testsuites>`;
  t.deepEqual(outcomesOf(report), [
    { name: '[sig-network] Services should a & b [Conformance]', verdict: 'passed' },
    { name: '[sig-network] Services should c', verdict: 'failed' },
    { name: '[sig-apps] Job should d', verdict: 'skipped' },
    { name: '[SynchronizedAfterSuite]', verdict: 'failed' },
  ]);
});
