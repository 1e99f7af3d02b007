// SPDX-License-Identifier: Apache-2.0
// An EndpointSlice object, as the API server or a manifest gives it, reduced to what decides
// something (semantics 1.1, 1.4). Pure. One endpoint that makes no sense is left out by name and
// costs the others nothing.

import { familyOf, type IpAddress, type IpFamily, parseAddress } from '../model/address.ts';
import type { Parsed } from '../model/cluster-state.ts';
import type { EndpointPortSpec, EndpointSliceSpec, EndpointSpec } from '../model/objects.ts';
import { readWeight } from './annotations.ts';
import { intern, internList } from './intern.ts';
import {
  attempt,
  each,
  FieldError,
  type JsonObject,
  listField,
  objectField,
  optionalBoolean,
  optionalObjectField,
  optionalText,
  within,
} from './json-fields.ts';
import { annotationText, hasLabel, labelText, readMetadata } from './object-metadata.ts';
import { parsedWithout, parseObject } from './parsed-object.ts';
import { portField, protocolField } from './port-fields.ts';

/** Stands on the slices of headless Services; any value. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const TRIGGER_TIME_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

interface Hints {
  readonly zoneHints: readonly string[] | undefined;
  readonly nodeHints: readonly string[] | undefined;
}

const NO_HINTS: Hints = { zoneHints: undefined, nodeHints: undefined };

type OnError = (error: FieldError) => void;

/** Reads an EndpointSlice (discovery.k8s.io/v1). Never throws. */
export function parseEndpointSlice(json: unknown): Parsed<EndpointSliceSpec> {
  return parseObject(json, (object) => {
    const metadata = readMetadata(object);
    if (hasLabel(metadata, HEADLESS_LABEL)) return { ignored: 'belongs to a headless Service' };
    const serviceName = labelText(metadata, SERVICE_NAME_LABEL);
    if (!serviceName) return { ignored: `has no label ${SERVICE_NAME_LABEL}` };
    const addressType = optionalText(object, 'addressType');
    if (addressType === 'FQDN') return { ignored: 'addressType is FQDN' };
    if (addressType !== 'IPv4' && addressType !== 'IPv6') {
      throw new FieldError('addressType', addressType, 'IPv4, IPv6 or FQDN');
    }
    const errors: FieldError[] = [];
    const onError = (error: FieldError) => errors.push(error);
    const readItem = (endpoint: JsonObject, at: string) =>
      readEndpoint(endpoint, addressType, (error) => {
        error.putInside(at);
        error.putInside('endpoints');
        onError(error);
      });
    const weight = readWeight(object, onError);
    const spec: EndpointSliceSpec = {
      namespace: metadata.namespace,
      name: metadata.name,
      serviceName,
      addressType,
      ...(weight === undefined ? {} : { weight }),
      ports: each(object, 'ports', readPort),
      endpoints: each(object, 'endpoints', readItem, onError),
    };
    const triggeredMs = readTriggerTime(object);
    return { ...parsedWithout(spec, errors), ...(triggeredMs !== undefined && { triggeredMs }) };
  });
}

/** When that happened which the controller acted upon; undefined when nothing usable is said. For metrics alone. */
function readTriggerTime(object: JsonObject): number | undefined {
  const text = attempt(
    () => annotationText(object, TRIGGER_TIME_ANNOTATION),
    () => {},
  );
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
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

/**
 * @param onError takes what is left out of the endpoint. @throws FieldError
 * @returns undefined for an endpoint without an address.
 */
function readEndpoint(
  endpoint: JsonObject,
  addressType: IpFamily,
  onError: OnError,
): EndpointSpec | undefined {
  const address = readFirstAddress(endpoint, addressType);
  if (address === undefined) return undefined;
  const nodeName = optionalText(endpoint, 'nodeName');
  const conditions = optionalObjectField(endpoint, 'conditions');
  const { ready, serving, terminating } = within('conditions', () => ({
    ready: optionalBoolean(conditions, 'ready') ?? true,
    serving: optionalBoolean(conditions, 'serving') ?? true,
    terminating: optionalBoolean(conditions, 'terminating') ?? false,
  }));
  const zone = attempt(() => optionalText(endpoint, 'zone'), onError);
  const { zoneHints, nodeHints } = readHints(endpoint, onError);
  return {
    address,
    ...(nodeName ? { nodeName: intern(nodeName) } : {}),
    ...(zone ? { zone: intern(zone) } : {}),
    ready,
    serving,
    terminating,
    ...(zoneHints ? { zoneHints } : {}),
    ...(nodeHints ? { nodeHints } : {}),
  };
}

/** addresses[0]. @throws FieldError unless it is of the slice's family. */
function readFirstAddress(endpoint: JsonObject, addressType: IpFamily): IpAddress | undefined {
  const [text] = listField(endpoint, 'addresses');
  if (text === undefined) return undefined;
  const address = typeof text === 'string' ? parseAddress(text) : undefined;
  if (address === undefined || familyOf(address) !== addressType) {
    throw new FieldError('addresses[0]', text, `an ${addressType} address`);
  }
  return address;
}

/** Hints are advice: what makes no sense in them costs the endpoint nothing else. */
function readHints(endpoint: JsonObject, onError: OnError): Hints {
  if (endpoint.hints === undefined || endpoint.hints === null) return NO_HINTS;
  const hints = attempt(() => objectField(endpoint, 'hints'), onError);
  if (hints === undefined) return NO_HINTS;
  const inHints = (error: FieldError) => {
    error.putInside('hints');
    onError(error);
  };
  return {
    zoneHints: readHintNames(hints, 'forZones', inHints),
    nodeHints: readHintNames(hints, 'forNodes', inHints),
  };
}

/** @returns undefined when there is none. */
function readHintNames(
  hints: JsonObject,
  field: 'forZones' | 'forNodes',
  onError: OnError,
): readonly string[] | undefined {
  const names = attempt(() => each(hints, field, readHintName, onError), onError);
  return names?.length ? internList(names) : undefined;
}

/** @throws FieldError */
function readHintName(hint: JsonObject): string {
  const name = optionalText(hint, 'name');
  if (name === undefined) throw new FieldError('name', undefined, 'a text');
  return name;
}
