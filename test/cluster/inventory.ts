// SPDX-License-Identifier: Apache-2.0
// The machines of a cluster, as a file describes them. Read by every subcommand of `npm run cluster` and by the
// end-to-end tests. What a reader gets is complete: names differ, and exactly one machine is the control plane.

import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import path from 'node:path';
import { Ajv, type ErrorObject, type JSONSchemaType } from 'ajv';
import { EnvironmentError, messageOf } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';

export interface Inventory {
  readonly machines: readonly Machine[];
}

export interface Machine {
  /** Of the machine and of its Node object: a host name. */
  readonly name: string;
  readonly role: 'control-plane' | 'worker';
  /** On the network that the machines share; the Node's InternalIPs. */
  readonly address: { readonly ipv4: string; readonly ipv6: string };
  readonly ssh: SshAccess;
}

/** How OpenSSH reaches a machine from here. */
export interface SshAccess {
  readonly host: string;
  readonly port: number;
  /** Root, or somebody for whom `sudo -n` works. */
  readonly user: string;
  /** From the folder of the inventory, when it is relative. Otherwise what ssh finds by itself. */
  readonly identityFile?: string;
  /** As after `ssh -o`: StrictHostKeyChecking=no. */
  readonly options?: readonly string[];
}

/** Where the commands look when they are not told. */
export const INVENTORY_FILE = path.join(ROOT, 'cluster/inventory.json');

const HINT = 'docs/clusters.md shows one; npm run cluster -- inventory --vagrant writes one';

const SCHEMA: JSONSchemaType<Inventory> = {
  type: 'object',
  additionalProperties: false,
  required: ['machines'],
  properties: {
    machines: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'role', 'address', 'ssh'],
        properties: {
          name: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' },
          role: { type: 'string', enum: ['control-plane', 'worker'] },
          address: {
            type: 'object',
            additionalProperties: false,
            required: ['ipv4', 'ipv6'],
            properties: {
              ipv4: { type: 'string', format: 'ipv4' },
              ipv6: { type: 'string', format: 'ipv6' },
            },
          },
          ssh: {
            type: 'object',
            additionalProperties: false,
            required: ['host', 'port', 'user'],
            properties: {
              // A leading dash would be an option of ssh.
              host: { type: 'string', pattern: '^[^-\\s]\\S*$' },
              port: { type: 'integer', minimum: 1, maximum: 65_535 },
              user: { type: 'string', pattern: '^[^-\\s@]\\S*$' },
              identityFile: { type: 'string', minLength: 1, nullable: true },
              options: {
                type: 'array',
                items: { type: 'string', pattern: '^\\w+[= ].' },
                nullable: true,
              },
            },
          },
        },
      },
    },
  },
};

const validate = new Ajv({
  allErrors: true,
  allowUnionTypes: true,
  formats: { ipv4: isIPv4, ipv6: isIPv6 },
  verbose: true,
}).compile(SCHEMA);

/**
 * Reads a file of machines. Paths of identity files are absolute afterwards.
 * @throws EnvironmentError that names the file, the place in it and what was expected there.
 */
export function readInventory(file: string = INVENTORY_FILE): Inventory {
  const value = parse(file);
  if (!validate(value)) throw invalid(file, (validate.errors ?? []).map(describe));
  const problems = inconsistencies(value);
  if (problems.length > 0) throw invalid(file, problems);
  return { machines: value.machines.map((machine) => withAbsolutePaths(machine, file)) };
}

export function controlPlaneOf({ machines }: Inventory): Machine {
  const [machine] = machines.filter(({ role }) => role === 'control-plane');
  if (machine === undefined) throw new Error('an inventory without a control plane was made');
  return machine;
}

export function workersOf({ machines }: Inventory): readonly Machine[] {
  return machines.filter(({ role }) => role === 'worker');
}

function parse(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const message = `the inventory ${file} cannot be read: ${messageOf(cause)}`;
    throw new EnvironmentError(message, { hint: HINT, cause });
  }
}

function invalid(file: string, problems: readonly string[]): EnvironmentError {
  return new EnvironmentError(`the inventory ${file} is not valid:\n  ${problems.join('\n  ')}`, {
    hint: HINT,
  });
}

/** "machines[1].ssh.port must be integer, not "22"". */
function describe({ instancePath, message, keyword, params, data }: ErrorObject): string {
  const place = instancePath
    .slice(1)
    .replaceAll(/\/(\d+)/g, '[$1]')
    .replaceAll('/', '.');
  if (keyword === 'additionalProperties') {
    return `${place || 'the file'} has an unknown property: ${params.additionalProperty}`;
  }
  const choice = keyword === 'enum' ? ` (${params.allowedValues.join(', ')})` : '';
  const found = keyword === 'required' ? '' : `, not ${JSON.stringify(data)}`;
  return `${place || 'the file'} ${message}${choice}${found}`;
}

function inconsistencies({ machines }: Inventory): readonly string[] {
  const controlPlanes = machines.filter(({ role }) => role === 'control-plane').length;
  const problems = controlPlanes === 1 ? [] : [`${controlPlanes} control planes, 1 is supported`];
  const properties = {
    name: (machine: Machine) => machine.name,
    'address.ipv4': (machine: Machine) => machine.address.ipv4,
    'address.ipv6': (machine: Machine) => machine.address.ipv6,
  };
  for (const [property, read] of Object.entries(properties)) {
    for (const [value, alike] of Map.groupBy(machines, read)) {
      if (alike.length > 1) problems.push(`${alike.length} machines have the ${property} ${value}`);
    }
  }
  return problems;
}

function withAbsolutePaths(machine: Machine, file: string): Machine {
  const { identityFile } = machine.ssh;
  if (identityFile === undefined) return machine;
  const absolute = path.resolve(path.dirname(file), identityFile);
  return { ...machine, ssh: { ...machine.ssh, identityFile: absolute } };
}
