// SPDX-License-Identifier: Apache-2.0
// A block of service addresses as a run of offsets. Family-free: it counts in the 16-byte form.

import {
  ADDRESS_SIZE,
  familyOf,
  type IpAddress,
  type IpFamily,
  parseAddress,
  readAddress,
  writeAddress,
} from '../../agent/model/address.ts';

/** Offsets past this are never handed out, however large the block. */
const MAX_SIZE = 2 ** 20;
const MAPPED_BITS = 96;

export class AddressRange {
  readonly cidr: string;
  readonly family: IpFamily;
  /** Usable addresses: offsets 1 to size - 1. */
  readonly size: number;
  readonly #high: bigint;
  readonly #low: bigint;

  /** @param cidr such as `10.96.0.0/16` or `fd00:10:96::/112`; at most 64 host bits. */
  constructor(cidr: string) {
    const [text = '', bits = ''] = cidr.split('/');
    const address = parseAddress(text);
    const prefix = Number(bits) + (address && familyOf(address) === 'IPv4' ? MAPPED_BITS : 0);
    if (!address || bits === '' || !(prefix >= 64 && prefix < 128)) {
      throw new RangeError(`not a block of service addresses: ${cidr}`);
    }
    this.cidr = cidr;
    this.family = familyOf(address);
    this.size = Math.min(2 ** (128 - prefix), MAX_SIZE);
    const { high, low } = words(address);
    this.#high = high;
    this.#low = (low >> BigInt(128 - prefix)) << BigInt(128 - prefix);
  }

  at(offset: number): IpAddress {
    const view = new DataView(new ArrayBuffer(ADDRESS_SIZE));
    view.setBigUint64(0, this.#high);
    view.setBigUint64(8, this.#low + BigInt(offset));
    return readAddress(view, 0);
  }

  contains(address: IpAddress): boolean {
    if (familyOf(address) !== this.family) return false;
    const { high, low } = words(address);
    return high === this.#high && low >= this.#low && low < this.#low + BigInt(this.size);
  }
}

function words(address: IpAddress): { high: bigint; low: bigint } {
  const view = new DataView(new ArrayBuffer(ADDRESS_SIZE));
  writeAddress(view, 0, address);
  return { high: view.getBigUint64(0), low: view.getBigUint64(8) };
}
