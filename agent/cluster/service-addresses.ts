// SPDX-License-Identifier: Apache-2.0
// By which addresses a Service is reached from outside the cluster, and by whom (semantics 1.3, 1.8). Used by
// service.ts. An entry that makes no sense costs only itself.

import type { IpAddress, IpPrefix } from '../model/address.ts';
import { dialledAddressIn, prefixIn } from './address-fields.ts';
import { internList } from './intern.ts';
import {
  each,
  eachText,
  FieldError,
  type JsonObject,
  optionalObjectField,
  optionalText,
  within,
  withoutRepeats,
} from './json-fields.ts';

type OnError = (error: FieldError) => void;

/** spec.externalIPs. @param onError takes what was left out. @throws FieldError unless it is a list. */
export function readExternalIps(spec: JsonObject, onError: OnError): readonly IpAddress[] {
  return eachText(spec, 'externalIPs', dialledAddressIn, onError);
}

/**
 * status.loadBalancer.ingress[].ip of those that nodes are to serve. Names without an address are for DNS,
 * and what has the ipMode Proxy is the load balancer's own (KEP-1860).
 *
 * @param object the whole Service. @param onError takes what was left out.
 * @throws FieldError when something around the entries has the wrong type.
 */
export function readLoadBalancerIps(object: JsonObject, onError: OnError): readonly IpAddress[] {
  const status = optionalObjectField(object, 'status');
  return within('status', () => {
    const loadBalancer = optionalObjectField(status, 'loadBalancer');
    return within('loadBalancer', () => {
      const inStatus = (error: FieldError) => {
        error.putInside('status.loadBalancer');
        onError(error);
      };
      return withoutRepeats(each(loadBalancer, 'ingress', readIngress, inStatus));
    });
  });
}

/** spec.loadBalancerSourceRanges. @param onError takes what was left out. @throws FieldError unless it is a list. */
export function readSourceRanges(spec: JsonObject, onError: OnError): readonly IpPrefix[] {
  const ranges = eachText(spec, 'loadBalancerSourceRanges', prefixIn, onError);
  return ranges.length === 0 ? ranges : internList(ranges);
}

function readIngress(ingress: JsonObject): IpAddress | undefined {
  const ip = optionalText(ingress, 'ip') ?? '';
  const ipMode = optionalText(ingress, 'ipMode') ?? 'VIP';
  if (ip.trim() === '' || ipMode === 'Proxy') return undefined;
  if (ipMode !== 'VIP') throw new FieldError('ipMode', ipMode, 'VIP or Proxy');
  return dialledAddressIn(ip, 'ip');
}
