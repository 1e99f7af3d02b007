// SPDX-License-Identifier: Apache-2.0
// Who gets a frontend that several Services claim: one whose clusterIP it is, which the API server gives to
// one Service alone, before those that only name the address (anybody may name any in externalIPs); then the
// oldest by creationTimestamp, then by name. The rule depends on the objects alone, so every node and every
// restart decides alike.

import type { ObjectKey } from './objects.ts';
import { type Frontend, type FrontendKey, type FrontendKind, frontendKey } from './service-port.ts';

/** What a Service asks for. */
export interface Claim {
  readonly frontend: Frontend;
  readonly kind: FrontendKind;
}

export interface FrontendConflict {
  readonly frontend: FrontendKey;
  readonly owner: ObjectKey;
  /** Services that are left out of it. */
  readonly others: readonly ObjectKey[];
}

/** Keys of the ports that an address does not serve, and of its answer to a ping. */
const UNDIALLED = /:\*$|^echo /;

export class FrontendClaims {
  readonly #frontends = new Map<ObjectKey, readonly FrontendKey[]>();
  readonly #created = new Map<ObjectKey, string | undefined>();
  /** Claims that only name an address. */
  readonly #named = new Map<ObjectKey, ReadonlySet<FrontendKey>>();
  /** Owner first. One key alone where nobody else claims, which is nearly always. */
  readonly #claimants = new Map<FrontendKey, ObjectKey | readonly ObjectKey[]>();

  /** Those with more than one claimant. */
  readonly #contested = new Set<FrontendKey>();

  /**
   * Replaces all claims of `service`; none when it is gone.
   *
   * @param creationTimestamp RFC 3339 in UTC, as the API server writes it: text order is time order.
   * @returns other Services that thereby won or lost a frontend.
   */
  update(
    service: ObjectKey,
    creationTimestamp: string | undefined,
    claims: readonly Claim[],
  ): Set<ObjectKey> {
    const frontends = claims.map(({ frontend }) => frontendKey(frontend));
    const before = this.#frontends.get(service) ?? [];
    // Where nobody else claims, which is nearly always, nobody else wins or loses.
    const disputed = new Map<FrontendKey, ObjectKey | undefined>();
    for (const frontend of [...before, ...frontends]) {
      if (this.#isOfOthers(service, frontend)) disputed.set(frontend, this.owner(frontend));
    }
    for (const frontend of before) this.#withdraw(service, frontend);
    this.#created.set(service, creationTimestamp);
    this.#frontends.set(service, frontends);
    this.#setNamed(service, claims);
    for (const frontend of frontends) this.#claim(service, frontend);
    if (!frontends.length) {
      this.#frontends.delete(service);
      this.#created.delete(service);
    }
    const affected = new Set<ObjectKey>();
    for (const [frontend, ownerBefore] of disputed) {
      const ownerNow = this.owner(frontend);
      if (ownerBefore === ownerNow) continue;
      for (const owner of [ownerBefore, ownerNow]) {
        if (owner !== undefined && owner !== service) affected.add(owner);
      }
    }
    return affected;
  }

  /** The Service that gets `frontend`. */
  owner(frontend: FrontendKey): ObjectKey | undefined {
    return this.#claimantsOf(frontend)[0];
  }

  /** Whether some frontend has more than one claimant: as long as none has, every Service gets all that it claims. */
  get hasContests(): boolean {
    return this.#contested.size > 0;
  }

  /** Without those over what nobody dials: there nobody loses anything. */
  get conflicts(): FrontendConflict[] {
    return [...this.#contested].flatMap((frontend) => {
      const [owner, ...others] = this.#claimantsOf(frontend);
      return owner !== undefined && !UNDIALLED.test(frontend) ? [{ frontend, owner, others }] : [];
    });
  }

  #claim(service: ObjectKey, frontend: FrontendKey): void {
    if (!this.#isOfOthers(service, frontend)) {
      this.#claimants.set(frontend, service);
      return;
    }
    const claimants = [...this.#claimantsOf(frontend), service];
    this.#contested.add(frontend);
    claimants.sort((a, b) => (this.#rankOf(a, frontend) < this.#rankOf(b, frontend) ? -1 : 1));
    this.#claimants.set(frontend, claimants);
  }

  #withdraw(service: ObjectKey, frontend: FrontendKey): void {
    if (!this.#isOfOthers(service, frontend)) {
      this.#claimants.delete(frontend);
      return;
    }
    const claimants = this.#claimantsOf(frontend).filter((other) => other !== service);
    const [owner, ...others] = claimants;
    if (!others.length) this.#contested.delete(frontend);
    if (owner === undefined) this.#claimants.delete(frontend);
    else this.#claimants.set(frontend, others.length ? claimants : owner);
  }

  /** Whether another Service than `service` claims it. */
  #isOfOthers(service: ObjectKey, frontend: FrontendKey): boolean {
    const claimants = this.#claimants.get(frontend);
    return claimants !== undefined && claimants !== service;
  }

  #claimantsOf(frontend: FrontendKey): readonly ObjectKey[] {
    const claimants = this.#claimants.get(frontend) ?? [];
    return typeof claimants === 'string' ? [claimants] : claimants;
  }

  #setNamed(service: ObjectKey, claims: readonly Claim[]): void {
    const named = claims.filter(({ kind }) => kind === 'externalIP' || kind === 'loadBalancer');
    if (!named.length) this.#named.delete(service);
    else this.#named.set(service, new Set(named.map(({ frontend }) => frontendKey(frontend))));
  }

  #rankOf(service: ObjectKey, frontend: FrontendKey): string {
    const isNamed = this.#named.get(service)?.has(frontend) ?? false;
    return `${isNamed ? 1 : 0} ${this.#created.get(service) ?? 'never'} ${service}`;
  }
}
