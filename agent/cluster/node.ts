// SPDX-License-Identifier: Apache-2.0
// A Node object, as the API server or a manifest gives it, reduced to what decides something (semantics 1.2).
// Pure. One address or prefix that makes no sense costs only itself.

import type { IpAddress, IpPrefix } from '../model/address.ts';
import type { Parsed } from '../model/cluster-state.ts';
import type { NodeSpec } from '../model/objects.ts';
import { addressIn, prefixIn } from './address-fields.ts';
import { intern } from './intern.ts';
import {
  attempt,
  each,
  eachText,
  type FieldError,
  type JsonObject,
  objectField,
  optionalObjectField,
  optionalText,
  within,
  withoutRepeats,
} from './json-fields.ts';
import { labelText, readClusterMetadata } from './object-metadata.ts';
import { parsedWithout, parseObject } from './parsed-object.ts';

/** The cluster autoscaler's, on a node that it is about to delete. */
const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** The types of status.addresses that are addresses of the node, in the order in which they count. */
const ADDRESS_TYPES = ['InternalIP', 'ExternalIP'];

type OnError = (error: FieldError) => void;

/** Reads a Node. Never throws. */
export function parseNode(json: unknown): Parsed<NodeSpec> {
  return parseObject(json, (object) => {
    const metadata = readClusterMetadata(object);
    const zone = labelText(metadata, ZONE_LABEL);
    const errors: FieldError[] = [];
    const noteIn = (field: string) => (error: FieldError) => {
      error.putInside(field);
      errors.push(error);
    };
    const status = optionalObjectField(object, 'status');
    const spec = optionalObjectField(object, 'spec');
    const node: NodeSpec = {
      name: metadata.name,
      ...(zone ? { zone: intern(zone) } : {}),
      addresses: within('status', () => readAddresses(status, noteIn('status'))),
      podCIDRs: within('spec', () => readPodCidrs(spec, noteIn('spec'))),
      ...(isBeingDeleted(object, spec, noteIn('spec')) ? { isBeingDeleted: true } : {}),
    };
    return parsedWithout(node, errors);
  });
}

function readAddresses(status: JsonObject, onError: OnError): readonly IpAddress[] {
  const read = each(
    status,
    'addresses',
    (entry) => {
      const type = optionalText(entry, 'type') ?? '';
      if (!ADDRESS_TYPES.includes(type)) return undefined;
      return { type, address: addressIn(optionalText(entry, 'address') ?? '', 'address') };
    },
    onError,
  );
  return withoutRepeats(
    ADDRESS_TYPES.flatMap((wanted) =>
      read.filter(({ type }) => type === wanted).map(({ address }) => address),
    ),
  );
}

/** podCIDRs has them all; podCIDR is the first of them, and all that old clusters have. */
function readPodCidrs(spec: JsonObject, onError: OnError): readonly IpPrefix[] {
  const podCIDR = optionalText(spec, 'podCIDR');
  const podCIDRs = eachText(spec, 'podCIDRs', prefixIn, onError);
  if (podCIDRs.length > 0 || !podCIDR) return podCIDRs;
  const prefix = attempt(() => prefixIn(podCIDR, 'podCIDR'), onError);
  return prefix ? [prefix] : [];
}

/** A timestamp of whatever form: who deletes it has said so. */
function isBeingDeleted(object: JsonObject, spec: JsonObject, onError: OnError): boolean {
  if (objectField(object, 'metadata').deletionTimestamp) return true;
  const keys = within('spec', () =>
    each(spec, 'taints', (taint) => optionalText(taint, 'key'), onError),
  );
  return keys.includes(TO_BE_DELETED_TAINT);
}
