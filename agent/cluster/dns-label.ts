// SPDX-License-Identifier: Apache-2.0
// Names as the API server takes them for Services, namespaces and ports (RFC 1123 labels). Manifests pass no API
// server, and a longer name would not fit the kernel's table of names.

import { FieldError } from './json-fields.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** @throws FieldError unless `text` is a label. */
export function requireDnsLabel(field: string, text: string): void {
  if (DNS_LABEL.test(text)) return;
  throw new FieldError(field, text, 'at most 63 lower-case letters, digits and "-"');
}
