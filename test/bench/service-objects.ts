// SPDX-License-Identifier: Apache-2.0
// The Services that the benchmarks run with, and their EndpointSlices, as an API server gives them: with
// all that a proxy has no use for and has to read over. Pure.

import type { KubeObject } from '../lab/kube-object.ts';

export interface ServiceSet {
  readonly count: number;
  /** Of each Service. */
  readonly endpoints: number;
  readonly protocol: 'TCP' | 'UDP';
}

export const NAMESPACE = 'bench';
export const SERVICE_PORT = 80;
export const BACKEND_PORT = 8080;

/** Shared address space (RFC 6598): nothing else in the lab has any of it. One host answers to all. */
export const BACKEND_CIDR = '100.64.0.0/10';
const BACKEND_BASE = 0x64400000;
const BACKEND_COUNT = 2 ** 22 - 2;

/** As many as 30,000 pods need at 110 each, which is what the kubelet allows. The one that is measured is the first. */
const NODES = 300;

export function serviceName(protocol: ServiceSet['protocol'], index: number): string {
  return `${protocol.toLowerCase()}-service-${index}`;
}

/** The address of backend number `index`, from 0. @throws RangeError behind the last. */
export function backendAddress(index: number): string {
  if (index >= BACKEND_COUNT) throw new RangeError(`there are only ${BACKEND_COUNT} backends`);
  const address = BACKEND_BASE + 1 + index;
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

export function serviceObject(protocol: ServiceSet['protocol'], index: number): KubeObject {
  const name = serviceName(protocol, index);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: NAMESPACE,
      labels: { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'bench' },
      managedFields: [
        managedFields('kubectl-client-side-apply', 'v1', {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app.kubernetes.io/name': {} } },
          'f:spec': {
            'f:internalTrafficPolicy': {},
            'f:ports': {
              '.': {},
              [`k:{"port":${SERVICE_PORT},"protocol":"${protocol}"}`]: {
                '.': {},
                'f:name': {},
                'f:port': {},
                'f:protocol': {},
                'f:targetPort': {},
              },
            },
            'f:sessionAffinity': {},
            'f:type': {},
          },
        }),
      ],
    } as KubeObject['metadata'],
    // Without a selector: the benchmark writes the slices itself.
    spec: {
      type: 'ClusterIP',
      ports: [{ name: 'main', port: SERVICE_PORT, targetPort: BACKEND_PORT, protocol }],
    },
  };
}

/** @param addresses of the endpoints. */
export function sliceObject(
  protocol: ServiceSet['protocol'],
  index: number,
  addresses: readonly string[],
): KubeObject {
  const service = serviceName(protocol, index);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-x7k2p`,
      namespace: NAMESPACE,
      labels: {
        'app.kubernetes.io/name': service,
        'app.kubernetes.io/part-of': 'bench',
        'endpointslice.kubernetes.io/managed-by': 'bench',
        'kubernetes.io/service-name': service,
      },
      managedFields: [
        managedFields('kube-controller-manager', 'discovery.k8s.io/v1', {
          'f:addressType': {},
          'f:endpoints': {},
          'f:metadata': {
            'f:generateName': {},
            'f:labels': {
              '.': {},
              'f:app.kubernetes.io/name': {},
              'f:endpointslice.kubernetes.io/managed-by': {},
              'f:kubernetes.io/service-name': {},
            },
            'f:ownerReferences': { '.': {}, 'k:{"uid":"5f0e3c1a"}': {} },
          },
          'f:ports': {},
        }),
      ],
    } as KubeObject['metadata'],
    addressType: 'IPv4',
    ports: [{ name: 'main', protocol, port: BACKEND_PORT }],
    endpoints: addresses.map((address, i) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${1 + ((index * addresses.length + i) % NODES)}`,
      zone: 'zone-1',
      targetRef: {
        kind: 'Pod',
        namespace: NAMESPACE,
        name: `${service}-6d4cf56db6-${i}`,
        uid: `0b7f1d9e-6c0a-4a57-9d2b-${String(index).padStart(8, '0')}${String(i).padStart(4, '0')}`,
      },
    })),
  };
}

function managedFields(manager: string, apiVersion: string, fieldsV1: object): object {
  const time = '2026-01-01T00:00:00Z';
  return { manager, operation: 'Update', apiVersion, time, fieldsType: 'FieldsV1', fieldsV1 };
}
