// SPDX-License-Identifier: Apache-2.0
// The part of a Pod that the lab's kubelet reads and writes. Pure.

import type { KubeObject } from './kube-object.ts';
import type { AddressPair } from './topology.ts';

export interface HttpGetProbe {
  readonly httpGet?: { readonly path?: string; readonly port: number | string };
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
}

export interface Container {
  readonly name: string;
  /** `quote` runs test/lab/apps/quote.ts; a tag is ignored. */
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly protocol?: string;
  }[];
  readonly readinessProbe?: HttpGetProbe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly nodeName?: string;
  readonly hostNetwork?: boolean;
  readonly dnsPolicy?: string;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
}

export interface PodStatus {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly hostIP?: string;
  readonly conditions?: readonly PodCondition[];
}

interface PodCondition {
  readonly type: string;
  readonly status: string;
  /** RFC 3339. */
  readonly lastTransitionTime?: string;
}

export function podSpec(pod: KubeObject): PodSpec {
  return pod.spec as PodSpec;
}

export function podStatus(pod: KubeObject): PodStatus {
  return (pod.status ?? { phase: 'Pending' }) as PodStatus;
}

export function isReady(pod: KubeObject): boolean {
  return podStatus(pod).conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

/** The lab runs one process a pod. @throws Error when the Pod asks for more, or for none. */
export function containerOf(pod: KubeObject): Container {
  const [container, ...others] = podSpec(pod).containers ?? [];
  if (!container || others.length > 0) {
    throw new Error(`pod ${pod.metadata.name}: the lab runs pods of exactly one container`);
  }
  return container;
}

/** @returns undefined when the container has no HTTP readiness probe: it is ready once it runs. */
export function readinessUrl(container: Container, host: AddressPair): string | undefined {
  const get = container.readinessProbe?.httpGet;
  if (!get) return undefined;
  const port =
    typeof get.port === 'number'
      ? get.port
      : container.ports?.find((each) => each.name === get.port)?.containerPort;
  if (port === undefined) throw new Error(`container ${container.name}: no port named ${get.port}`);
  return `http://${host.ipv4}:${port}${get.path ?? '/'}`;
}

export interface Observed {
  /** RFC 3339; so is startTime. */
  readonly at: string;
  readonly phase: PodStatus['phase'];
  readonly ready: boolean;
  readonly addresses: AddressPair;
  /** Addresses of its node. */
  readonly host: AddressPair;
  readonly startTime: string;
  /** Of its process, once that has ended; null when a signal ended it. */
  readonly exitCode?: number | null;
}

/** What a shell makes of SIGKILL, and so does a container runtime. */
const KILLED = 137;

/** The status of `pod` as a kubelet would report it. A condition keeps its time for as long as it stays the same. */
export function statusOf(pod: KubeObject, observed: Observed): PodStatus & object {
  const { at, phase, addresses, host, startTime, exitCode } = observed;
  const ready = observed.ready ? 'True' : 'False';
  const running = phase === 'Running';
  const { name, image } = containerOf(pod);
  const before = podStatus(pod).conditions ?? [];
  const condition = (type: string, status: string): PodCondition => {
    const same = before.find((each) => each.type === type && each.status === status);
    return { type, status, lastTransitionTime: same?.lastTransitionTime ?? at };
  };
  const terminated = { exitCode: exitCode ?? KILLED, startedAt: startTime, finishedAt: at };
  return {
    phase,
    conditions: [
      condition('PodScheduled', 'True'),
      condition('Initialized', 'True'),
      condition('ContainersReady', ready),
      condition('Ready', ready),
    ],
    hostIP: host.ipv4,
    hostIPs: [{ ip: host.ipv4 }, { ip: host.ipv6 }],
    podIP: addresses.ipv4,
    podIPs: [{ ip: addresses.ipv4 }, { ip: addresses.ipv6 }],
    startTime,
    containerStatuses: [
      {
        name,
        image,
        imageID: '',
        ready: observed.ready,
        started: running,
        restartCount: 0,
        state: running ? { running: { startedAt: startTime } } : { terminated },
      },
    ],
  } as PodStatus & object;
}
