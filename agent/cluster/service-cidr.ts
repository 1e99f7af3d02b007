// SPDX-License-Identifier: Apache-2.0
// A ServiceCIDR object: a range that clusterIPs are taken from (semantics 1.1). Pure. One prefix that makes
// no sense costs only itself.

import type { Parsed } from '../model/cluster-state.ts';
import type { ServiceCidrSpec } from '../model/objects.ts';
import { prefixIn } from './address-fields.ts';
import { eachText, type FieldError, objectField, within } from './json-fields.ts';
import { readClusterMetadata } from './object-metadata.ts';
import { parsedWithout, parseObject } from './parsed-object.ts';

/** Reads a ServiceCIDR (networking.k8s.io/v1). Never throws. */
export function parseServiceCidr(json: unknown): Parsed<ServiceCidrSpec> {
  return parseObject(json, (object) => {
    const { name } = readClusterMetadata(object);
    const spec = objectField(object, 'spec');
    const errors: FieldError[] = [];
    const onError = (error: FieldError) => {
      error.putInside('spec');
      errors.push(error);
    };
    const cidrs = within('spec', () => eachText(spec, 'cidrs', prefixIn, onError));
    return parsedWithout({ name, cidrs }, errors);
  });
}
