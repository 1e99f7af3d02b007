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
  // By set, not by comparison with each one before: an object may have forty thousand.
  const known = new Set<string>();
  const isTaken = (what: string, { protocol }: ServicePortSpec) => known.has(`${protocol} ${what}`);
  return each(spec, 'ports', (item, at) => {
    const port = readPort(item);
    if (isTaken(`port ${port.port}`, port)) throw taken('port', port.port, port);
    if (isTaken(`name ${port.name}`, port)) throw taken('name', port.name, port);
    const lacksNodePort = port.nodePort !== 0 && isTaken(`nodePort ${port.nodePort}`, port);
    if (lacksNodePort) {
      const error = taken('nodePort', port.nodePort, port);
      error.putInside(at);
      error.putInside('ports');
      onError(error);
    }
    const read = lacksNodePort ? { ...port, nodePort: 0 } : port;
    for (const what of [`port ${read.port}`, `name ${read.name}`, `nodePort ${read.nodePort}`]) {
      known.add(`${read.protocol} ${what}`);
    }
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
