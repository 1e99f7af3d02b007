// SPDX-License-Identifier: Apache-2.0
// What of the network the kernel itself has connections for: file systems and disks, with their servers' addresses.
// Used by probe.ts.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type IpAddress, parseAddress } from '../model/address.ts';
import { attempt } from './attempt.ts';

export interface NetworkMount {
  /** Where it is mounted, or which disk it is. */
  readonly mountPoint: string;
  readonly server: IpAddress;
}

/** @param proc a proc file system of the host. */
export function readNetworkMounts(proc: string): NetworkMount[] {
  return [
    ...attempt(() => networkMounts(readFileSync(path.join(proc, '1/mountinfo'), 'utf8')), []),
    ...attempt(() => iscsiDisks('/sys/class/iscsi_connection'), []),
  ];
}

/**
 * Mounts that have servers' addresses: NFS, CIFS and 9p among their options (addr), Ceph there too (mon_addr) or as what
 * is mounted. Pure.
 */
export function networkMounts(mountinfo: string): NetworkMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const mountPoint = fields[4] ?? '';
    const [type, source = '', options = ''] = fields.slice(fields.lastIndexOf('-') + 1);
    const named = [...options.matchAll(/(?:^|,)(?:mount|mon_)?addr=([^,]+)/g)].flatMap(
      ([, text = '']) => text.split('/'),
    );
    const monitors = type === 'ceph' ? source.replace(/:\/.*$/, '').split(',') : [];
    const servers = [...named, ...monitors].flatMap((text) => hostOf(text) ?? []);
    return [...new Set(servers)].map((server) => ({ mountPoint, server }));
  });
}

function iscsiDisks(directory: string): NetworkMount[] {
  return readdirSync(directory).flatMap((connection) => {
    const file = path.join(directory, connection, 'address');
    const server = attempt(() => hostOf(readFileSync(file, 'utf8').trim()), undefined);
    return server === undefined ? [] : [{ mountPoint: `iSCSI ${connection}`, server }];
  });
}

/** The address in `192.0.2.1`, `192.0.2.1:6789`, `2001:db8::1` or `[2001:db8::1]:6789`. */
function hostOf(text: string): IpAddress | undefined {
  const [, inBrackets] = text.match(/^\[(.+)\](?::\d+)?$/) ?? [];
  return parseAddress(inBrackets ?? text) ?? parseAddress(text.replace(/:\d+$/, ''));
}
