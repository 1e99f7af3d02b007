// SPDX-License-Identifier: Apache-2.0
// The fields of ports: of Services, and of EndpointSlices, which have all but the nodePort. Used by both parsers.

import type { Protocol } from '../model/objects.ts';
import { FieldError, type JsonObject, optionalText } from './json-fields.ts';

const PROTOCOLS: readonly string[] = ['TCP', 'UDP', 'SCTP'] satisfies Protocol[];
const MAX_PORT = 65535;

/** `protocol`; absent is TCP, as the API server defaults it. @throws FieldError */
export function protocolField(object: JsonObject): Protocol {
  const text = optionalText(object, 'protocol') || 'TCP';
  if (PROTOCOLS.includes(text)) return text as Protocol;
  throw new FieldError('protocol', text, 'TCP, UDP or SCTP');
}

/** `port`, 1 to 65535. @throws FieldError */
export function portField(object: JsonObject): number {
  return portNumber(object, 'port');
}

/** `nodePort`, 1 to 65535; absent and 0 are 0, which is none. @throws FieldError */
export function nodePortField(object: JsonObject): number {
  return optionalPort(object, 'nodePort');
}

/** The port in `field`, 1 to 65535; absent and 0 are 0, which is none. @throws FieldError */
export function optionalPort(object: JsonObject, field: string): number {
  const port = object[field] ?? 0;
  return port === 0 ? 0 : portNumber(object, field);
}

function portNumber(object: JsonObject, field: string): number {
  const port = object[field];
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= MAX_PORT) {
    return port;
  }
  throw new FieldError(field, port, `a port number from 1 to ${MAX_PORT}`);
}
