// SPDX-License-Identifier: Apache-2.0
// Who dials whom for each arm and path of the benchmark. Nothing is started or written here.

import { namespacePath } from '../lab/netns.ts';
import type { Place } from '../lab/spawn-inside.ts';
import type { TrafficKind } from './measure-servers.ts';
import type { ArmName, Family, Path } from './result.ts';
import { BACKEND_PORT, SERVICE_PORT } from './service-objects.ts';
import type { Bench, OutsideServer, OutsideTarget, Station } from './station.ts';

/** Where there is a proxy, backends are dialled past it, too: by the same devices and hooks. */
export type Way = 'service' | 'backend';

export interface TrafficArm {
  /** `signalbox`, or `signalbox-past` where it is asked what it costs those that do not use it. */
  readonly name: string;
  readonly arm: ArmName;
  readonly way: Way;
  /** File of the network namespace of the client, and directory of its cgroup. */
  readonly namespace: string;
  readonly cgroup: string;
  /** One of them at random each time. */
  readonly targets: readonly OutsideTarget[];
}

export interface Destination {
  readonly kind: TrafficKind;
  readonly path: Path;
  readonly family: Family;
}

/** Direct ones first. @throws RangeError where there are no such Services. */
export function trafficArms(bench: Bench, destination: Destination): TrafficArm[] {
  return bench.stations.flatMap((station) => {
    const ways: Way[] = station.proxy ? ['service', 'backend'] : ['backend'];
    return ways.map((way): TrafficArm => {
      const isPast = station.proxy !== undefined && way === 'backend';
      const { namespace, cgroup }: Place =
        destination.path === 'clusterIP' ? station.client.place : bench.outside;
      return {
        name: isPast ? pastOf(station.arm) : station.arm,
        arm: station.arm,
        way,
        namespace: namespacePath(namespace),
        cgroup,
        targets: targetsOf(bench, station, way, destination),
      };
    });
  });
}

/** The name of the arm that dials backends where the proxy is. */
export function pastOf(arm: ArmName): string {
  return `${arm}-past`;
}

export function isUdp(kind: TrafficKind): boolean {
  return /datagram/i.test(kind);
}

function targetsOf(
  bench: Bench,
  station: Station,
  way: Way,
  { kind, path, family }: Destination,
): OutsideTarget[] {
  if (path === 'clusterIP') return clusterTargets(bench, way, { kind, family });
  const server = serverFor(kind);
  const place = path === 'nodePortLocal' ? 'local' : 'remote';
  return [
    way === 'service'
      ? bench.outside.nodePort(station, place, family, server)
      : bench.outside.backend(station, place, family, server),
  ];
}

function clusterTargets(
  { services }: Bench,
  way: Way,
  { kind, family }: Pick<Destination, 'kind' | 'family'>,
): OutsideTarget[] {
  const protocol = isUdp(kind) ? 'UDP' : 'TCP';
  const indexes = Array.from({ length: services.count }, (_, i) => i).filter(
    (i) => services.protocol(i) === protocol,
  );
  if (family !== 'ipv4' || indexes.length === 0) {
    throw new RangeError(
      `no ${protocol} Service of ${services.count} has a cluster IP of ${family}`,
    );
  }
  if (way === 'service') {
    return indexes.map((i) => ({ address: services.clusterIP(i), port: SERVICE_PORT }));
  }
  return indexes
    .flatMap((i) => services.backends(i))
    .map((address) => ({ address, port: BACKEND_PORT }));
}

function serverFor(kind: TrafficKind): OutsideServer {
  if (kind === 'stream') return 'sink';
  return isUdp(kind) ? 'datagrams' : 'echo';
}
