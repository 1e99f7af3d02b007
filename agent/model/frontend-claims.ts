// SPDX-License-Identifier: Apache-2.0
// Who gets a frontend that several Services claim: the oldest by creationTimestamp, then by name. The rule
// depends on the objects alone, so every node and every restart decides alike.

import type { ObjectKey } from './objects.ts';
import type { FrontendKey } from './service-port.ts';

export interface FrontendConflict {
  readonly frontend: FrontendKey;
  readonly owner: ObjectKey;
  /** Services that are left out of it. */
  readonly others: readonly ObjectKey[];
}

export class FrontendClaims {
  readonly #frontends = new Map<ObjectKey, readonly FrontendKey[]>();
  readonly #rank = new Map<ObjectKey, string>();
  /** Owner first. Kept as one key where nobody else claims, which is nearly always. */
  readonly #claimants = new Map<FrontendKey, readonly ObjectKey[]>();

  /**
   * Replaces all claims of `service`; none when it is gone.
   *
   * @param creationTimestamp RFC 3339 in UTC, as the API server writes it: text order is time order.
   * @returns other Services that thereby won or lost a frontend.
   */
  update(
    service: ObjectKey,
    creationTimestamp: string | undefined,
    frontends: readonly FrontendKey[],
  ): Set<ObjectKey> {
    const touched = new Set([...(this.#frontends.get(service) ?? []), ...frontends]);
    const owners = [...touched].map((frontend) => this.owner(frontend));
    for (const frontend of this.#frontends.get(service) ?? []) this.#withdraw(service, frontend);
    this.#rank.set(service, `${creationTimestamp ?? 'never'} ${service}`);
    this.#frontends.set(service, frontends);
    for (const frontend of frontends) this.#claim(service, frontend);
    if (!frontends.length) {
      this.#frontends.delete(service);
      this.#rank.delete(service);
    }
    const affected = [...touched].flatMap((frontend, i) => {
      const [before, after] = [owners[i], this.owner(frontend)];
      return before === after ? [] : [before, after];
    });
    return new Set(
      affected.filter((other) => other !== undefined && other !== service),
    ) as Set<ObjectKey>;
  }

  /** The Service that gets `frontend`. */
  owner(frontend: FrontendKey): ObjectKey | undefined {
    return this.#claimants.get(frontend)?.[0];
  }

  get conflicts(): FrontendConflict[] {
    return [...this.#claimants].flatMap(([frontend, [owner, ...others]]) =>
      owner !== undefined && others.length ? [{ frontend, owner, others }] : [],
    );
  }

  #claim(service: ObjectKey, frontend: FrontendKey): void {
    const claimants = [...(this.#claimants.get(frontend) ?? []), service];
    if (claimants.length > 1)
      claimants.sort((a, b) => (this.#rankOf(a) < this.#rankOf(b) ? -1 : 1));
    this.#claimants.set(frontend, claimants);
  }

  #withdraw(service: ObjectKey, frontend: FrontendKey): void {
    const claimants = this.#claimants.get(frontend)?.filter((other) => other !== service) ?? [];
    if (claimants.length) this.#claimants.set(frontend, claimants);
    else this.#claimants.delete(frontend);
  }

  #rankOf(service: ObjectKey): string {
    return this.#rank.get(service) ?? '';
  }
}
