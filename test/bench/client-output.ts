// SPDX-License-Identifier: Apache-2.0
// What measure-client.c prints, read. Pure.

export interface ArmOutput {
  /** Of all, those too that only warmed up. */
  readonly exchanges: number;
  /** As printed: nanoseconds, or "CPU-NANOSECONDS/NANOSECONDS". */
  readonly samples: readonly string[];
}

/** @returns by name of the arm. */
export function parseOutput(stdout: string): ReadonlyMap<string, ArmOutput> {
  const lines = stdout.trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [name = '', exchanges, ...samples] = line.split(' ');
      return [name, { exchanges: Number(exchanges), samples }];
    }),
  );
}

export interface BulkSample {
  readonly cpuNs: number;
  readonly ns: number;
}

/** @throws RangeError when it is none. */
export function parseBulkSample(sample: string): BulkSample {
  const [cpuNs = Number.NaN, ns = Number.NaN] = sample.split('/').map(Number);
  if (Number.isNaN(cpuNs + ns)) throw new RangeError(`"${sample}" is no sample of bulk`);
  return { cpuNs, ns };
}
