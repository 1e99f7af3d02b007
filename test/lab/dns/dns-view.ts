// SPDX-License-Identifier: Apache-2.0
// What cluster DNS knows: Services and the endpoints behind them. resolve.ts reads a DnsView;
// cluster-records.ts keeps one up to date.

import type { IpAddress } from '../../../agent/model/address.ts';

export interface DnsView {
  /** The cluster domain, such as `cluster.local`: lower case, without a dot at its end. */
  readonly domain: string;
  service(namespace: string, name: string): ServiceRecord | undefined;
  /** Whether any Service is in `namespace`. */
  hasNamespace(namespace: string): boolean;
  /** The Services one of whose cluster IPs, or headless endpoints, is `address`. */
  servicesAt(address: IpAddress): readonly ServiceRecord[];
}

export interface ServiceRecord {
  readonly namespace: string;
  readonly name: string;
  /** Only for ExternalName Services. */
  readonly externalName?: string;
  /** None for headless Services. */
  readonly clusterIPs: readonly IpAddress[];
  /** The Service's own ports. */
  readonly ports: readonly PortRecord[];
  /** The ready endpoints of a headless Service; none for others. */
  readonly endpoints: readonly EndpointRecord[];
}

export interface PortRecord {
  /** '' for an unnamed port, which has no SRV record. */
  readonly name: string;
  /** Lower case. */
  readonly protocol: string;
  readonly port: number;
}

export interface EndpointRecord {
  readonly address: IpAddress;
  /** Its own, or one made of its address. */
  readonly hostname: string;
  readonly ports: readonly PortRecord[];
}
