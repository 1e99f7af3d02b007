// SPDX-License-Identifier: Apache-2.0
// The ports of a Service (semantics 1.3, 1.9). Used by service.ts. No two service ports of one Service share
// a name, a number or a nodePort under one protocol.

import type { ServicePortSpec } from '../model/objects.ts';
import { requireDnsLabel } from './dns-label.ts';
import { intern } from './intern.ts';
import { each, FieldError, type JsonObject, optionalText } from './json-fields.ts';
import { nodePortField, portField, protocolField } from './port-fields.ts';

/**
 * spec.ports. Two ports with one nodePort are the one thing that does not cost the Service: the second is
 * read without it.
 *
 * @param onError takes what was left out. @throws FieldError
 */
export function readServicePorts(
  spec: JsonObject,
  onError: (error: FieldError) => void,
): readonly ServicePortSpec[] {
  const earlier: ServicePortSpec[] = [];
  return each(spec, 'ports', (item, at) => {
    const port = readPort(item);
    const others = earlier.filter(({ protocol }) => protocol === port.protocol);
    for (const other of others) {
      if (other.port === port.port) throw taken('port', port.port, port);
      if (other.name === port.name) throw taken('name', port.name, port);
    }
    const isTaken =
      port.nodePort !== 0 && others.some(({ nodePort }) => nodePort === port.nodePort);
    if (isTaken) {
      const error = taken('nodePort', port.nodePort, port);
      error.putInside(at);
      error.putInside('ports');
      onError(error);
    }
    const read = isTaken ? { ...port, nodePort: 0 } : port;
    earlier.push(read);
    return read;
  });
}

/** @throws FieldError */
function readPort(item: JsonObject): ServicePortSpec {
  const name = intern(optionalText(item, 'name') ?? '');
  if (name) requireDnsLabel('name', name);
  return {
    name,
    protocol: protocolField(item),
    port: portField(item),
    nodePort: nodePortField(item),
  };
}

function taken(field: string, value: unknown, { protocol }: ServicePortSpec): FieldError {
  return new FieldError(field, value, `free: an earlier ${protocol} port has it`);
}
