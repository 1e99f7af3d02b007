// SPDX-License-Identifier: Apache-2.0
// What an Event about a Service or about the node looks like in the API (events.k8s.io/v1). Pure; used by
// event-recorder.ts. Invariant: whatever the note and the node's name are, the API server takes the Event (the limits
// are those of Kubernetes' validation of Events).

import { createHash } from 'node:crypto';
import type { ServiceSpec } from '../model/objects.ts';

interface Kind {
  readonly type: 'Normal' | 'Warning';
  /** What the agent was doing when it found the reason: `action` of an Event. */
  readonly action: string;
  /** Every agent finds the same: one of them tells it for all. */
  readonly isSameOnAllNodes: boolean;
}

/** Of Services, by reason: one word each, for machines; people read the note. */
const OF_SERVICES = {
  /** Another Service has the frontend (semantics 1.6). */
  FrontendConflict: { type: 'Warning', action: 'ClaimFrontend', isSameOnAllNodes: true },
  /** This node does not answer the load balancer's health checks; reason and action are kube-proxy's (semantics 1.11). */
  FailedToStartServiceHealthcheck: { type: 'Warning', action: 'Listen', isSameOnAllNodes: false },
  /** Tables have no room for it, which is so wherever they have the same sizes; where the cause is a node's own, the note names it. */
  FailedToProgram: { type: 'Warning', action: 'ProgramServices', isSameOnAllNodes: true },
} as const satisfies Record<string, Kind>;

const starting = (type: Kind['type']) =>
  ({ type, action: 'StartServiceProxy', isSameOnAllNodes: false }) as const;

/** Of the node. The first three have kube-proxy's reasons. */
const OF_NODES = {
  /** Everything is programmed for the first time. */
  Starting: starting('Normal'),
  /** Load balancers cannot ask for the node's health: /healthz is not served. */
  FailedToStartProxierHealthcheck: starting('Warning'),
  FailedToStartMetricServer: starting('Warning'),
  /** The programs do not run, or not as they should: Services may not be served at all. */
  SelfTestFailed: { type: 'Warning', action: 'TestDatapath', isSameOnAllNodes: false },
  /** The kernel refuses what Services need. */
  FailedToProgram: { type: 'Warning', action: 'ProgramServices', isSameOnAllNodes: false },
} as const satisfies Record<string, Kind>;

export type ServiceReason = keyof typeof OF_SERVICES;
export type NodeReason = keyof typeof OF_NODES;

/** Its age tells a Service from an earlier one of the same name. */
export type ServiceIdentity = Pick<ServiceSpec, 'namespace' | 'name' | 'creationTimestamp'>;

export interface ServiceOccurrence {
  readonly service: ServiceIdentity;
  readonly reason: ServiceReason;
  readonly note: string;
}

/** About the agent's own node. */
export interface NodeOccurrence {
  /** When the agent started: each of its lives has Events of its own. */
  readonly startedAt: string;
  readonly reason: NodeReason;
  readonly note: string;
}

/** What an Event tells. */
export type Occurrence = ServiceOccurrence | NodeOccurrence;

function kindOf(occurrence: Occurrence): Kind {
  return 'service' in occurrence ? OF_SERVICES[occurrence.reason] : OF_NODES[occurrence.reason];
}

/** Who tells it. */
const CONTROLLER = 'signalbox';
const MAX_NOTE_BYTES = 1024;
const MAX_INSTANCE_BYTES = 128;
const MAX_NAME_BYTES = 253;
const DIGEST_LENGTH = 16;
/** Where Events about what is in no namespace are. */
const NODES_NAMESPACE = 'default';

/**
 * The name of the Event that tells `occurrence`. Equal ones have equal names, from one agent as well as from all
 * agents when they all find the same: then the API server has one Event and not one for each node.
 */
export function eventName(occurrence: Occurrence, nodeName: string): string {
  const { reason, note } = occurrence;
  const teller = kindOf(occurrence).isSameOnAllNodes ? [] : [nodeName];
  const [about, since] =
    'service' in occurrence
      ? [occurrence.service.name, occurrence.service.creationTimestamp ?? '']
      : [nodeName, occurrence.startedAt];
  const identity = JSON.stringify([since, reason, note, ...teller]);
  const digest = createHash('sha256').update(identity).digest('hex').slice(0, DIGEST_LENGTH);
  const room = MAX_NAME_BYTES - DIGEST_LENGTH - 1;
  // What is cut off may leave a dot or a hyphen behind, which no name may have before the next dot.
  return `${about.slice(0, room).replace(/[.-]+$/, '')}.${digest}`;
}

/** Where the Event is among the Events of all namespaces. */
export function eventNamespace(occurrence: Occurrence): string {
  return 'service' in occurrence ? occurrence.service.namespace : NODES_NAMESPACE;
}

/** Of the Events in one namespace. */
export function eventsPath(namespace: string): string {
  return `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
}

/**
 * The Event to create.
 *
 * @param uid of the Service: `kubectl describe` shows only Events that have it. Of the node it is the name, as
 *   kubelets have it, too: that is shown.
 */
export function newEvent(
  occurrence: Occurrence,
  { uid, nodeName, at }: { readonly uid: string; readonly nodeName: string; readonly at: Date },
): object {
  const { reason, note } = occurrence;
  const { type, action } = kindOf(occurrence);
  const namespace = eventNamespace(occurrence);
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, name: eventName(occurrence, nodeName) },
    eventTime: microTime(at),
    reportingController: CONTROLLER,
    reportingInstance: cutToBytes(nodeName, MAX_INSTANCE_BYTES),
    action,
    reason,
    regarding:
      'service' in occurrence
        ? { apiVersion: 'v1', kind: 'Service', namespace, name: occurrence.service.name, uid }
        : { apiVersion: 'v1', kind: 'Node', name: nodeName, uid },
    note: cutToBytes(note, MAX_NOTE_BYTES),
    type,
  };
}

/**
 * What a repetition changes of the Event; all else in it can never change.
 *
 * @param count how often it has happened, the first time included: from 2.
 * @param at the last time.
 */
export function seriesPatch(count: number, at: Date): object {
  return { series: { count, lastObservedTime: microTime(at) } };
}

/** Kubernetes' MicroTime: its parser wants six digits, no fewer. */
function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

/** The beginning of `text` that fits into `limit` bytes of UTF-8, whole characters. */
function cutToBytes(text: string, limit: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(limit));
  return text.slice(0, read);
}
