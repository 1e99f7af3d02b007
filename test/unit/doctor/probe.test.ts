// SPDX-License-Identifier: Apache-2.0
// What the doctor reads of mounts.

import test from 'ava';
import { networkMounts } from '../../../agent/doctor/probe-mounts.ts';
import { address } from '../../helpers/objects.ts';

test('mounts of servers, by their addresses', (t) => {
  const mountinfo = [
    '22 1 0:20 / / rw,relatime - ext4 /dev/vda rw',
    '40 22 0:50 / /data rw,relatime - nfs4 nas:/x rw,vers=4.2,addr=10.96.0.5,clientaddr=192.0.2.1',
    '41 22 0:51 / /six rw - nfs [fd00::5]:/x rw,addr=fd00::5',
    '42 22 0:52 / /share rw shared:3 - cifs //nas/x rw,addr=10.96.0.6,unix',
    '43 22 0:53 / /odd rw - fuse x rw,addr=nowhere',
    '44 22 0:54 / /ceph rw - ceph 10.96.0.7:6789,[fd00::7]:6789:/x rw,name=admin',
    '45 22 0:55 / /new rw - ceph me@fs.x=/ rw,mon_addr=10.96.0.8:3300/10.96.0.9',
    '46 22 0:56 / /mnt rw - nfs nas:/y rw,mountaddr=10.96.0.4,addr=10.96.0.4',
    '',
  ].join('\n');
  t.deepEqual(networkMounts(mountinfo), [
    { mountPoint: '/data', server: address('10.96.0.5') },
    { mountPoint: '/six', server: address('fd00::5') },
    { mountPoint: '/share', server: address('10.96.0.6') },
    { mountPoint: '/ceph', server: address('10.96.0.7') },
    { mountPoint: '/ceph', server: address('fd00::7') },
    { mountPoint: '/new', server: address('10.96.0.8') },
    { mountPoint: '/new', server: address('10.96.0.9') },
    { mountPoint: '/mnt', server: address('10.96.0.4') },
  ]);
});
