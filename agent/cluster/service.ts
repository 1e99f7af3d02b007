// SPDX-License-Identifier: Apache-2.0
// A Service object, as the API server or a manifest gives it, reduced to what decides something
// (semantics 1.1, 1.3). Pure. Applies the rules of the watch's selectors too, so that manifests
// behave as a cluster does.

import { familyOf, type IpAddress, parseAddress } from '../model/address.ts';
import type { Parsed } from '../model/cluster-state.ts';
import type { ServicePortSpec, ServiceSpec } from '../model/objects.ts';
import { requireDnsLabel } from './dns-label.ts';
import { intern } from './intern.ts';
import {
  each,
  FieldError,
  type JsonObject,
  listField,
  objectField,
  optionalText,
  within,
} from './json-fields.ts';
import { hasLabel, readMetadata } from './object-metadata.ts';
import { parseObject } from './parsed-object.ts';
import { portField, protocolField } from './port-fields.ts';

/** Any value of this label, even an empty one, hands the Service to another proxy. */
export const SERVICE_PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';

/** Reads a Service. Never throws. */
export function parseService(json: unknown): Parsed<ServiceSpec> {
  return parseObject(json, (object) => {
    const metadata = readMetadata(object);
    if (hasLabel(metadata, SERVICE_PROXY_NAME_LABEL)) {
      return { ignored: `left to another proxy by the label ${SERVICE_PROXY_NAME_LABEL}` };
    }
    within('metadata', () => {
      requireDnsLabel('namespace', metadata.namespace);
      requireDnsLabel('name', metadata.name);
    });
    const spec = objectField(object, 'spec');
    return within('spec', () => {
      if (optionalText(spec, 'type') === 'ExternalName') return { ignored: 'type is ExternalName' };
      const texts = clusterIpTexts(spec);
      if (texts.length === 0) return { ignored: 'has no clusterIP' };
      if (texts[0]?.text === 'None') return { ignored: 'headless' };
      const { namespace, name, creationTimestamp } = metadata;
      return {
        spec: {
          namespace,
          name,
          ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
          clusterIPs: readClusterIps(texts),
          ports: readPorts(spec),
        },
      };
    });
  });
}

interface ClusterIpText {
  readonly field: string;
  readonly text: string;
}

/** clusterIP decides whether there is any address; clusterIPs has them all, but not in every manifest. */
function clusterIpTexts(spec: JsonObject): readonly ClusterIpText[] {
  const first = optionalText(spec, 'clusterIP');
  const all = listField(spec, 'clusterIPs').map((text, i) => {
    const field = `clusterIPs[${i}]`;
    if (typeof text !== 'string') throw new FieldError(field, text, 'a text');
    return { field, text };
  });
  if (first === '') return [];
  if (first === undefined) return all;
  if (all[0] === undefined) return [{ field: 'clusterIP', text: first }];
  if (all[0].text !== first) {
    throw new FieldError(all[0].field, all[0].text, `the clusterIP ${JSON.stringify(first)}`);
  }
  return all;
}

function readClusterIps(texts: readonly ClusterIpText[]): readonly IpAddress[] {
  const addresses: IpAddress[] = [];
  for (const { field, text } of texts) {
    const address = parseAddress(text);
    if (address === undefined) throw new FieldError(field, text, 'an IP address');
    if (addresses.some((other) => familyOf(other) === familyOf(address))) {
      throw new FieldError(field, text, 'of another family than the address before it');
    }
    addresses.push(address);
  }
  return addresses.slice();
}

function readPorts(spec: JsonObject): readonly ServicePortSpec[] {
  const earlier: ServicePortSpec[] = [];
  return each(spec, 'ports', (item) => {
    const port: ServicePortSpec = {
      name: intern(optionalText(item, 'name') ?? ''),
      protocol: protocolField(item),
      port: portField(item),
    };
    if (port.name) requireDnsLabel('name', port.name);
    for (const other of earlier) {
      if (other.protocol !== port.protocol) continue;
      if (other.port === port.port) {
        throw new FieldError('port', port.port, `free: an earlier ${port.protocol} port has it`);
      }
      if (other.name === port.name) {
        throw new FieldError('name', port.name, `free: an earlier ${port.protocol} port has it`);
      }
    }
    earlier.push(port);
    return port;
  });
}
