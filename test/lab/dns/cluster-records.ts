// SPDX-License-Identifier: Apache-2.0
// Services and EndpointSlices as they are watched, read the way DNS asks for them.

import { type IpAddress, parseAddress } from '../../../agent/model/address.ts';
import type { Endpoint, SlicePort } from '../endpoint.ts';
import { SERVICE_NAME_LABEL } from '../endpoint-slices.ts';
import { type KubeObject, keyOf, nameKey } from '../kube-object.ts';
import { isHeadless, type ServicePort, serviceSpec } from '../service-spec.ts';
import type { DnsView, EndpointRecord, PortRecord, ServiceRecord } from './dns-view.ts';
import { dashed } from './reverse-name.ts';

export type RecordKind = 'Service' | 'EndpointSlice';

export class ClusterRecords implements DnsView {
  readonly domain: string;
  readonly #services = new Map<string, KubeObject>();
  readonly #namespaces = new Map<string, number>();
  readonly #slices = new Map<string, KubeObject>();
  /** Keys of slices, by the Service's key. */
  readonly #slicesOf = new Map<string, Set<string>>();

  constructor(domain = 'cluster.local') {
    this.domain = domain.toLowerCase().replace(/\.$/, '');
  }

  set(object: KubeObject): void {
    const key = keyOf(object);
    const kind = object.kind as RecordKind;
    this.remove(kind, key);
    if (kind === 'Service') {
      this.#services.set(key, object);
      this.#countNamespace(object, 1);
      return;
    }
    this.#slices.set(key, object);
    const service = serviceKeyOf(object);
    const slices = this.#slicesOf.get(service);
    if (slices) slices.add(key);
    else this.#slicesOf.set(service, new Set([key]));
  }

  /** @param key namespace/name. Removing what is not there is fine. */
  remove(kind: RecordKind, key: string): void {
    const object = this.#held(kind).get(key);
    if (!object) return;
    this.#held(kind).delete(key);
    if (kind === 'Service') {
      this.#countNamespace(object, -1);
      return;
    }
    const service = serviceKeyOf(object);
    this.#slicesOf.get(service)?.delete(key);
    if (this.#slicesOf.get(service)?.size === 0) this.#slicesOf.delete(service);
  }

  keys(kind: RecordKind): string[] {
    return [...this.#held(kind).keys()];
  }

  service(namespace: string, name: string): ServiceRecord | undefined {
    const service = this.#services.get(nameKey(namespace, name));
    return service && this.#recordOf(service);
  }

  hasNamespace(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  servicesAt(address: IpAddress): ServiceRecord[] {
    // A walk over all Services: reverse names are asked for by people, not by connections.
    return [...this.#services.values()]
      .map((service) => this.#recordOf(service))
      .filter(
        ({ clusterIPs, endpoints }) =>
          clusterIPs.includes(address) ||
          endpoints.some((endpoint) => endpoint.address === address),
      );
  }

  #recordOf(service: KubeObject): ServiceRecord {
    const { namespace = '', name } = service.metadata;
    const spec = serviceSpec(service);
    const isExternal = spec.type === 'ExternalName';
    const texts = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
    const hasAddresses = !isExternal && !isHeadless(spec);
    return {
      namespace,
      name,
      ...(isExternal && spec.externalName && { externalName: spec.externalName }),
      clusterIPs: hasAddresses ? texts.flatMap((text) => parseAddress(text) ?? []) : [],
      ports: (spec.ports ?? []).map(portRecord),
      endpoints: isHeadless(spec) ? this.#endpointsOf(keyOf(service)) : [],
    };
  }

  #endpointsOf(serviceKey: string): EndpointRecord[] {
    return [...(this.#slicesOf.get(serviceKey) ?? [])].flatMap((key) => {
      const slice = this.#slices.get(key);
      const ports = ((slice?.ports as readonly SlicePort[] | null | undefined) ?? []).map(
        portRecord,
      );
      const endpoints = (slice?.endpoints as readonly Partial<Endpoint>[] | null | undefined) ?? [];
      return endpoints
        .filter(({ conditions }) => conditions?.ready !== false)
        .flatMap(({ addresses = [], hostname }) => {
          const address = parseAddress(addresses[0] ?? '');
          return address ? [{ address, hostname: hostname ?? dashed(address), ports }] : [];
        });
    });
  }

  #held(kind: RecordKind): Map<string, KubeObject> {
    return kind === 'Service' ? this.#services : this.#slices;
  }

  #countNamespace({ metadata: { namespace = '' } }: KubeObject, change: number): void {
    const count = (this.#namespaces.get(namespace) ?? 0) + change;
    if (count > 0) this.#namespaces.set(namespace, count);
    else this.#namespaces.delete(namespace);
  }
}

function serviceKeyOf({ metadata }: KubeObject): string {
  return nameKey(metadata.namespace ?? '', metadata.labels?.[SERVICE_NAME_LABEL] ?? '');
}

function portRecord({ name = '', protocol = 'TCP', port }: Partial<ServicePort>): PortRecord {
  return { name, protocol: protocol.toLowerCase(), port: port ?? 0 };
}
