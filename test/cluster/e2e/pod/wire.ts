// SPDX-License-Identifier: Apache-2.0
// What a pod of the end-to-end tests is asked for and answers. Used by the program in the pod and by the tests.

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** Of the client; otherwise the kernel's choice. */
  readonly localPort?: number;
  /** After this long without an answer the failure is TIMEOUT. */
  readonly patienceMs?: number;
}

export interface DialOrder extends Target {
  /** How often, one after the other; 1 by default. */
  readonly count?: number;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What a server says to whoever comes. */
export interface Greeting {
  readonly pod: string;
  readonly node: string;
  /** Where it serves. */
  readonly port: number;
  /** Whom it sees. */
  readonly client: Endpoint;
}

export interface Answer extends Greeting {
  /** Whom the client's socket names as its peer. */
  readonly peer: Endpoint;
  readonly ms: number;
}

export interface DialReport {
  readonly answers: readonly Answer[];
  /** errno or TIMEOUT, each with how long it took. */
  readonly failures: readonly { readonly code: string; readonly ms: number }[];
}

export interface TrafficOrder extends Target {
  /** A new connection each time, or one that lasts; of UDP the same as one socket each, or one for all. */
  readonly kind: 'short' | 'long';
  readonly periodMs: number;
}

export interface TrafficReport {
  readonly exchanges: number;
  readonly failures: readonly string[];
  /** Who has answered last, and how often each has. */
  readonly lastPod: string;
  readonly pods: Readonly<Record<string, number>>;
}
