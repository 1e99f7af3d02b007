// SPDX-License-Identifier: Apache-2.0
// The clusterIPs of a Service, which decide in which families it exists (semantics 1.3). Used by service.ts.
// They must agree with each other and with ipFamilies: half a Service is worse than its last good form.

import { familyOf, type IpAddress, parseAddress } from '../model/address.ts';
import { FieldError, type JsonObject, listField, optionalText, shown } from './json-fields.ts';

/** A clusterIP as it stands in the object, not yet looked at. */
export interface ClusterIpText {
  readonly field: string;
  readonly text: string;
}

/**
 * clusterIP decides whether there is any address; clusterIPs has them all, but not in every manifest.
 *
 * @returns none when there is no clusterIP. @throws FieldError
 */
export function clusterIpTexts(spec: JsonObject): readonly ClusterIpText[] {
  const first = optionalText(spec, 'clusterIP');
  const all = listField(spec, 'clusterIPs').map((text, i) => {
    const field = `clusterIPs[${i}]`;
    if (typeof text !== 'string') throw new FieldError(field, text, 'a text');
    return { field, text };
  });
  if (first === '') return [];
  if (first === undefined) return all;
  // `None` decides, as '' does.
  if (all[0] === undefined || first === 'None') return [{ field: 'clusterIP', text: first }];
  if (all[0].text !== first && !isSameAddress(all[0].text, first)) {
    throw new FieldError(all[0].field, all[0].text, `the clusterIP ${shown(first)}`);
  }
  return all;
}

/** IPv6 has many spellings, and manifests are written by people. */
function isSameAddress(a: string, b: string): boolean {
  const address = parseAddress(a);
  return address !== undefined && address === parseAddress(b);
}

/** The addresses that `texts` are, at most one of each family. @throws FieldError */
export function readClusterIps(
  spec: JsonObject,
  texts: readonly ClusterIpText[],
): readonly IpAddress[] {
  const families = listField(spec, 'ipFamilies');
  const addresses: IpAddress[] = [];
  for (const [i, { field, text }] of texts.entries()) {
    const address = parseAddress(text);
    if (address === undefined) throw new FieldError(field, text, 'an IP address');
    if (addresses.some((other) => familyOf(other) === familyOf(address))) {
      throw new FieldError(field, text, 'of another family than the address before it');
    }
    if (families.length > 0 && families[i] !== familyOf(address)) {
      throw new FieldError(field, text, `of ${namedFamily(families, i)}`);
    }
    addresses.push(address);
  }
  return addresses.slice();
}

function namedFamily(families: readonly unknown[], i: number): string {
  if (i >= families.length) return 'a family that ipFamilies names';
  return `the family ${shown(families[i])} that ipFamilies[${i}] names`;
}
