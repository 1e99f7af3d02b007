// SPDX-License-Identifier: Apache-2.0
// What a pass wants: which Services a change concerns, and what each of them is to have, by its objects and by who claims
// the same frontends. Asked by the reconciler. Writes nothing.

import type { ClusterState } from '../model/cluster-state.ts';
import type { NodeTraits } from '../model/endpoint-selection.ts';
import { FrontendClaims, type FrontendConflict } from '../model/frontend-claims.ts';
import type { ObjectKey, ServiceSpec } from '../model/objects.ts';
import { claimsOf, type ResolvedServicePort, resolve } from '../model/resolve.ts';
import { frontendKey } from '../model/service-port.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import type { Desired } from '../plan/plan.ts';

export class WantedServices {
  readonly #cluster: ClusterState;
  readonly #claims = new FrontendClaims();
  /** Services as they were when their claims were made: what comes of one and what it claims must not be of two moments. */
  readonly #claimed = new Map<ObjectKey, ServiceSpec>();
  readonly #traits: () => NodeTraits;
  readonly #actual: () => ActualTables;

  /**
   * @param traits of the node, asked anew for each pass.
   * @param actual what the tables hold by now.
   */
  constructor(cluster: ClusterState, traits: () => NodeTraits, actual: () => ActualTables) {
    this.#cluster = cluster;
    this.#traits = traits;
    this.#actual = actual;
  }

  get conflicts(): readonly FrontendConflict[] {
    return this.#claims.conflicts;
  }

  /**
   * The dirty Services, and each that a dirty one takes a frontend from or leaves one to. From here on, where something
   * yields, the cluster may change: what changes is dirty for the next pass, and until then a Service is what its claims
   * were made of. Else a frontend that it gives up meanwhile would be nobody's until then.
   */
  *concernedBy(dirty: ReadonlySet<ObjectKey>): Generator<void, Set<ObjectKey>> {
    const concerned = new Set(dirty);
    for (const key of dirty) {
      const service = this.#cluster.service(key);
      if (service) this.#claimed.set(key, service);
      else this.#claimed.delete(key);
      const claims = service ? claimsOf(service) : [];
      const others = this.#claims.update(key, service?.creationTimestamp, claims);
      for (const other of others) concerned.add(other);
      yield;
    }
    for (const key of [...concerned]) {
      for (const heir of this.#heirs(key)) concerned.add(heir);
      yield;
    }
    return concerned;
  }

  /** Made one by one, as they are asked for: all at once would be more than the tables themselves. */
  desired(services: ReadonlySet<ObjectKey>): Desired {
    const traits = this.#traits();
    return {
      keys: () => services.keys(),
      get: (key) => this.#resolve(key, traits).map((port) => this.#withoutLost(key, port)),
    };
  }

  /** `port` without the frontends that another Service gets. */
  #withoutLost(service: ObjectKey, port: ResolvedServicePort): ResolvedServicePort {
    // Most of the time.
    if (!this.#claims.hasContests) return port;
    const isOwn = ({ frontend }: ResolvedServicePort['frontends'][number]) =>
      this.#claims.owner(frontendKey(frontend)) === service;
    if (port.frontends.every(isOwn)) return port;
    return { ...port, frontends: port.frontends.filter(isOwn) };
  }

  /** Services that own what `service` still has in the tables, because a write was refused: they take it over. */
  #heirs(service: ObjectKey): ObjectKey[] {
    const heirs: ObjectKey[] = [];
    for (const { id } of this.#actual().servicePortsOf(service)) {
      for (const { frontend } of this.#actual().frontendsOf(id)) {
        const owner = this.#claims.owner(frontendKey(frontend));
        if (owner !== undefined && owner !== service) heirs.push(owner);
      }
    }
    return heirs;
  }

  #resolve(key: ObjectKey, traits: NodeTraits): ResolvedServicePort[] {
    const service = this.#claimed.get(key);
    return service ? resolve(service, this.#cluster.endpointSlices(key), traits) : [];
  }
}
