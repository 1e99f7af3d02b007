// SPDX-License-Identifier: Apache-2.0
// The servers in the server pod, echo-server.c, one for each protocol and place. All of a pod's, they
// end with the lab at the latest.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { LabPod } from '../lab/lab-pod.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { BACKEND_PORT } from './service-objects.ts';

/** Of the client. Handing a datagram over to another CPU would cost many times what is measured. */
export const CLIENT_CPU = 0;
const ACCEPTING_CPU = 1;

/** Served from outside the agent's cgroup: there, no program runs for the answers either. */
export const PLAIN_PORT = BACKEND_PORT + 1;

export class Servers {
  readonly #program: string;
  readonly #namespace: string;
  readonly #hookedCgroup: string;
  readonly #plainCgroup: string;
  #hookedUdp: ChildProcess;

  /** @param program echo-server.c, compiled. @param plainCgroup outside the agent's. */
  constructor(program: string, pod: LabPod, plainCgroup: string) {
    this.#program = program;
    this.#namespace = path.basename(pod.namespacePath);
    this.#hookedCgroup = pod.cgroup;
    this.#plainCgroup = plainCgroup;
    this.#start(ACCEPTING_CPU, 'tcp', BACKEND_PORT, this.#hookedCgroup);
    this.#start(CLIENT_CPU, 'udp', PLAIN_PORT, this.#plainCgroup);
    this.#hookedUdp = this.#start(CLIENT_CPU, 'udp', BACKEND_PORT, this.#hookedCgroup);
  }

  /** From now on no program runs for the answer to any datagram. */
  async unhook(): Promise<void> {
    const ended = once(this.#hookedUdp, 'exit');
    this.#hookedUdp.kill();
    await ended;
    this.#hookedUdp = this.#start(CLIENT_CPU, 'udp', BACKEND_PORT, this.#plainCgroup);
  }

  #start(cpu: number, protocol: 'tcp' | 'udp', port: number, cgroup: string): ChildProcess {
    const argv = [this.#program, `${cpu}`, protocol, `${port}`];
    const place = { namespace: this.#namespace, cgroup };
    return spawnInside(place, argv, { stdio: ['ignore', 'inherit', 'inherit'] });
  }
}
