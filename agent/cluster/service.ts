// SPDX-License-Identifier: Apache-2.0
// A Service object, as the API server or a manifest gives it, reduced to what decides something
// (semantics 1.1, 1.3). Pure. Applies the rules of the watch's selectors too, so that manifests
// behave as a cluster does.

import { type IpAddress, parseAddress } from '../model/address.ts';
import type { Parsed } from '../model/cluster-state.ts';
import type { ServiceSpec } from '../model/objects.ts';
import { readBalancing } from './annotations.ts';
import { type ClusterIpText, clusterIpTexts, readClusterIps } from './cluster-ips.ts';
import { requireDnsLabel } from './dns-label.ts';
import {
  type FieldError,
  isObject,
  type JsonObject,
  objectField,
  optionalText,
  within,
} from './json-fields.ts';
import { hasLabel, type NamespacedMetadata, readMetadata } from './object-metadata.ts';
import { parsedWithout, parseObject } from './parsed-object.ts';
import { readExternalIps, readLoadBalancerIps, readSourceRanges } from './service-addresses.ts';
import {
  readAffinity,
  readExternalPolicy,
  readHealthCheckNodePort,
  readInternalPolicy,
} from './service-policies.ts';
import { readServicePorts } from './service-ports.ts';

/** Any value of this label, even an empty one, hands the Service to another proxy. */
export const SERVICE_PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';

/** Why a Service is ignored to which no API server has given an address yet. */
export const NO_CLUSTER_IP = 'has no clusterIP';

/** Reads a Service. Never throws. What is not taken names its clusterIP: by that people miss it. */
export function parseService(json: unknown): Parsed<ServiceSpec> {
  const parsed = readObject(json);
  return 'invalid' in parsed ? { invalid: parsed.invalid + clusterIpNote(json) } : parsed;
}

function readObject(json: unknown): Parsed<ServiceSpec> {
  return parseObject(json, (object) => {
    const metadata = readMetadata(object);
    if (hasLabel(metadata, SERVICE_PROXY_NAME_LABEL)) {
      const label = `left to another proxy by the label ${SERVICE_PROXY_NAME_LABEL}`;
      return { ignored: label + clusterIpNote(object), foreign: clusterIps(object) };
    }
    within('metadata', () => {
      requireDnsLabel('namespace', metadata.namespace);
      requireDnsLabel('name', metadata.name);
    });
    const spec = objectField(object, 'spec');
    const texts = within('spec', () =>
      optionalText(spec, 'type') === 'ExternalName' ? undefined : clusterIpTexts(spec),
    );
    if (texts === undefined) return { ignored: 'type is ExternalName' };
    if (texts.length === 0) return { ignored: NO_CLUSTER_IP };
    if (texts[0]?.text === 'None') return { ignored: 'headless' };
    return readService(object, metadata, spec, texts);
  });
}

/** Every clusterIP that is an address. */
function clusterIps({ spec }: JsonObject): IpAddress[] {
  if (!isObject(spec)) return [];
  const { clusterIP, clusterIPs } = spec;
  const texts = [clusterIP, ...(Array.isArray(clusterIPs) ? clusterIPs : [])];
  const found = texts.map((text) => (typeof text === 'string' ? parseAddress(text) : undefined));
  return [...new Set(found.flatMap((address) => address ?? []))];
}

/** ` (clusterIP 10.96.0.1)`; nothing where there is no such address. */
function clusterIpNote(json: unknown): string {
  const spec = isObject(json) ? json.spec : undefined;
  const text = isObject(spec) ? spec.clusterIP : undefined;
  const address = typeof text === 'string' ? parseAddress(text) : undefined;
  return address === undefined ? '' : ` (clusterIP ${address})`;
}

/** @throws FieldError */
function readService(
  object: JsonObject,
  { namespace, name, creationTimestamp }: NamespacedMetadata,
  spec: JsonObject,
  texts: readonly ClusterIpText[],
): Parsed<ServiceSpec> {
  const errors: FieldError[] = [];
  const onError = (error: FieldError) => errors.push(error);
  const inSpec = (error: FieldError) => {
    error.putInside('spec');
    errors.push(error);
  };
  const balancing = readBalancing(object, onError);
  const loadBalancerIPs = readLoadBalancerIps(object, onError);
  const healthCheckNodePort = within('spec', () => readHealthCheckNodePort(spec, inSpec));
  const service = within('spec', () => ({
    namespace,
    name,
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    clusterIPs: readClusterIps(spec, texts),
    externalIPs: readExternalIps(spec, inSpec),
    loadBalancerIPs,
    loadBalancerSourceRanges: readSourceRanges(spec, inSpec),
    internalTrafficPolicy: readInternalPolicy(spec, inSpec),
    externalTrafficPolicy: readExternalPolicy(spec, inSpec),
    ...(healthCheckNodePort === undefined ? {} : { healthCheckNodePort }),
    affinityTimeoutSeconds: readAffinity(spec, inSpec),
    balancing,
    ports: readServicePorts(spec, inSpec),
  }));
  return parsedWithout(service, errors);
}
