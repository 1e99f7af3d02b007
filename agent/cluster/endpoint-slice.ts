// SPDX-License-Identifier: Apache-2.0
// An EndpointSlice object, as the API server or a manifest gives it, reduced to what decides
// something (semantics 1.1, 1.4). Pure. One endpoint that makes no sense is left out by name and
// costs the others nothing.

import { familyOf, type IpFamily, parseAddress } from '../model/address.ts';
import type { Parsed } from '../model/cluster-state.ts';
import type { EndpointPortSpec, EndpointSliceSpec, EndpointSpec } from '../model/objects.ts';
import { intern } from './intern.ts';
import {
  each,
  FieldError,
  type JsonObject,
  listField,
  optionalBoolean,
  optionalObjectField,
  optionalText,
  within,
} from './json-fields.ts';
import { hasLabel, type ObjectMetadata, readMetadata } from './object-metadata.ts';
import { parseObject } from './parsed-object.ts';
import { portField, protocolField } from './port-fields.ts';

/** Stands on the slices of headless Services; any value. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Reads an EndpointSlice (discovery.k8s.io/v1). Never throws. */
export function parseEndpointSlice(json: unknown): Parsed<EndpointSliceSpec> {
  return parseObject(json, (object) => {
    const metadata = readMetadata(object);
    if (hasLabel(metadata, HEADLESS_LABEL)) return { ignored: 'belongs to a headless Service' };
    const serviceName = readServiceName(metadata);
    if (!serviceName) return { ignored: `has no label ${SERVICE_NAME_LABEL}` };
    const addressType = optionalText(object, 'addressType');
    if (addressType === 'FQDN') return { ignored: 'addressType is FQDN' };
    if (addressType !== 'IPv4' && addressType !== 'IPv6') {
      throw new FieldError('addressType', addressType, 'IPv4, IPv6 or FQDN');
    }
    const errors: FieldError[] = [];
    const spec: EndpointSliceSpec = {
      namespace: metadata.namespace,
      name: metadata.name,
      serviceName,
      addressType,
      ports: each(object, 'ports', readPort),
      endpoints: each(
        object,
        'endpoints',
        (endpoint) => readEndpoint(endpoint, addressType),
        (error) => errors.push(error),
      ),
    };
    return errors[0] ? { spec, leftOut: summary(errors[0], errors.length) } : { spec };
  });
}

function readServiceName(metadata: ObjectMetadata): string | undefined {
  return within('metadata', () =>
    within('labels', () => optionalText(metadata.labels, SERVICE_NAME_LABEL)),
  );
}

/** A port without a name joins no service port; one without a number means "all ports", which no proxy does. */
function readPort(port: JsonObject): EndpointPortSpec | undefined {
  const name = optionalText(port, 'name');
  const protocol = protocolField(port);
  if (name === undefined || port.port === undefined || port.port === null || port.port === 0) {
    return undefined;
  }
  return { name: intern(name), protocol, port: portField(port) };
}

function readEndpoint(endpoint: JsonObject, addressType: IpFamily): EndpointSpec | undefined {
  const [text] = listField(endpoint, 'addresses');
  if (text === undefined) return undefined;
  const address = typeof text === 'string' ? parseAddress(text) : undefined;
  if (address === undefined || familyOf(address) !== addressType) {
    throw new FieldError('addresses[0]', text, `an ${addressType} address`);
  }
  const nodeName = optionalText(endpoint, 'nodeName');
  const conditions = optionalObjectField(endpoint, 'conditions');
  return within('conditions', () => {
    const ready = optionalBoolean(conditions, 'ready') ?? true;
    const serving = optionalBoolean(conditions, 'serving') ?? true;
    const terminating = optionalBoolean(conditions, 'terminating') ?? false;
    return nodeName
      ? { address, nodeName: intern(nodeName), ready, serving, terminating }
      : { address, ready, serving, terminating };
  });
}

function summary(first: FieldError, count: number): string {
  return count === 1 ? first.message : `${first.message} (and ${count - 1} more like it)`;
}
