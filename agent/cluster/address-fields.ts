// SPDX-License-Identifier: Apache-2.0
// Addresses and prefixes in lists of texts, as the API server takes them: leading zeros of old manifests are
// tolerated (semantics 1.3). Used by the parsers.

import {
  type IpAddress,
  type IpPrefix,
  parseAddressSloppily,
  parsePrefix,
  specialUseOf,
} from '../model/address.ts';
import { FieldError } from './json-fields.ts';

/** The address that `text` is. @param at where it stands. @throws FieldError */
export function addressIn(text: string, at: string): IpAddress {
  const address = parseAddressSloppily(text);
  if (address === undefined) throw new FieldError(at, text, 'an IP address');
  return address;
}

/** Like {@link addressIn}, for an address that clients dial: none that means something else on every host. */
export function dialledAddressIn(text: string, at: string): IpAddress {
  const address = addressIn(text, at);
  const use = specialUseOf(address);
  if (use === undefined) return address;
  throw new FieldError(at, text, `an address for a Service: it is ${use}`);
}

/** The prefix that `text` is. @param at where it stands. @throws FieldError */
export function prefixIn(text: string, at: string): IpPrefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new FieldError(at, text, 'a CIDR such as 10.0.0.0/8');
  return prefix;
}
