// SPDX-License-Identifier: Apache-2.0
// Which Service has which node port. A number belongs to one Service, under every protocol; that Service
// may use it once for each of them, as in Kubernetes.

import { ApiError } from './api-error.ts';
import { Claims } from './claims.ts';
import {
  allocatesNodePorts,
  hasHealthCheckNodePort,
  hasNodePorts,
  type ServicePort,
  type ServiceSpecObject,
} from './service-spec.ts';

/** Numbers from the beginning of the range that are left to those who ask for one, as in Kubernetes. */
const STATIC_PORTS = 86;

export class NodePorts {
  readonly #first: number;
  readonly #last: number;
  readonly #claims = new Claims<number>();

  /** @param range first and last number. */
  constructor([first, last]: readonly [number, number]) {
    this.#first = first;
    this.#last = last;
  }

  /**
   * The ports of `spec` with the node ports that they ask for or need. What is claimed and not used in
   * the end is given back by {@link settle}.
   *
   * @param isNew ports of the same number then get the same node port, if they ask for none.
   * @param refuse called with `field: problem`.
   */
  assign(
    owner: string,
    spec: ServiceSpecObject,
    isNew: boolean,
    refuse: (problem: string) => never,
  ): ServicePort[] | undefined {
    const shared = new Map<number, number>();
    if (isNew) {
      for (const { port, nodePort } of spec.ports ?? []) if (nodePort) shared.set(port, nodePort);
    }
    return spec.ports?.map(({ nodePort: given, ...port }, index) => {
      if (!hasNodePorts(spec)) return port;
      if (given) {
        const problem = this.#claim(owner, given);
        if (problem) refuse(`spec.ports[${index}].nodePort: Invalid value: ${given}: ${problem}`);
        return { ...port, nodePort: given };
      }
      if (!allocatesNodePorts(spec)) return port;
      const nodePort = shared.get(port.port) ?? this.#free(owner, refuse);
      if (isNew) shared.set(port.port, nodePort);
      return { ...port, nodePort };
    });
  }

  /** @throws ApiError 500, as Kubernetes does, for a number that cannot be had. */
  assignHealthCheck(
    owner: string,
    spec: ServiceSpecObject,
    refuse: (problem: string) => never,
  ): number | undefined {
    if (!hasHealthCheckNodePort(spec)) return undefined;
    const { healthCheckNodePort: given } = spec;
    if (!given) return this.#free(owner, refuse);
    const problem = this.#claim(owner, given);
    if (!problem) return given;
    throw new ApiError(
      500,
      `Internal error occurred: failed to allocate requested HealthCheck NodePort ${given}: ${problem}`,
    );
  }

  /** Leaves `owner` with the node ports of `spec` and no others. */
  settle(owner: string, spec: ServiceSpecObject | undefined): void {
    const { ports = [], healthCheckNodePort = 0 } = spec ?? { type: '' };
    const numbers = [...ports.map(({ nodePort = 0 }) => nodePort), healthCheckNodePort];
    this.#claims.keepOnly(
      owner,
      numbers.filter((number) => number !== 0),
    );
  }

  /** @returns why it cannot be had. */
  #claim(owner: string, number: number): string | undefined {
    if (number < this.#first || number > this.#last) {
      return `provided port is not in the valid range. The range of valid ports is ${this.#first}-${this.#last}`;
    }
    return this.#claims.claim(owner, number) ? undefined : 'provided port is already allocated';
  }

  #free(owner: string, refuse: (problem: string) => never): number {
    const size = this.#last - this.#first + 1;
    const start = STATIC_PORTS < size ? STATIC_PORTS : 0;
    for (let tried = 0; tried < size; tried++) {
      const number = this.#first + ((start + tried) % size);
      if (!this.#claims.isFree(number)) continue;
      this.#claims.claim(owner, number);
      return number;
    }
    return refuse(
      `spec.ports[0].nodePort: Internal error: range ${this.#first}-${this.#last} is full`,
    );
  }
}
