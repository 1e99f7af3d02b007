// SPDX-License-Identifier: Apache-2.0
// What a Service says of how its clients are spread: traffic policies, the port for health checks that goes with one
// of them, and session affinity (semantics 1.3, 1.10, 1.11). Used by service.ts. A word that nobody knows counts as
// the default, and is named.

import type { TrafficPolicy } from '../model/objects.ts';
import {
  attempt,
  FieldError,
  type JsonObject,
  listField,
  optionalObjectField,
  optionalText,
  within,
} from './json-fields.ts';
import { optionalPort } from './port-fields.ts';

type OnError = (error: FieldError) => void;

const DEFAULT_AFFINITY_SECONDS = 10_800;
const MAX_AFFINITY_SECONDS = 86_400;

/** spec.internalTrafficPolicy. @param onError takes a word that is none. @throws FieldError unless it is a text. */
export function readInternalPolicy(spec: JsonObject, onError: OnError): TrafficPolicy {
  return policyField(spec, 'internalTrafficPolicy', onError);
}

/**
 * spec.externalTrafficPolicy, Local only where kube-proxy honours it: a Service that was of another type
 * before may have kept the field.
 *
 * @param onError takes a word that is none. @throws FieldError when a field has the wrong type.
 */
export function readExternalPolicy(spec: JsonObject, onError: OnError): TrafficPolicy {
  const policy = policyField(spec, 'externalTrafficPolicy', onError);
  const type = optionalText(spec, 'type') || 'ClusterIP';
  const isReachable =
    type === 'NodePort' ||
    type === 'LoadBalancer' ||
    (type === 'ClusterIP' && listField(spec, 'externalIPs').length > 0);
  return isReachable ? policy : 'Cluster';
}

/**
 * spec.healthCheckNodePort; undefined where none counts: of another type, behind policy Cluster, or before the API
 * server has given one (semantics 1.11).
 *
 * @param onError takes what is no port. @throws FieldError when a field that it depends on has the wrong type.
 */
export function readHealthCheckNodePort(spec: JsonObject, onError: OnError): number | undefined {
  if (optionalText(spec, 'type') !== 'LoadBalancer') return undefined;
  if (optionalText(spec, 'externalTrafficPolicy') !== 'Local') return undefined;
  return attempt(() => optionalPort(spec, 'healthCheckNodePort'), onError) || undefined;
}

/**
 * Seconds of ClientIP affinity; 0 without affinity.
 *
 * @param onError takes a word or a time-out that is none. @throws FieldError when what is around it has the wrong type.
 */
export function readAffinity(spec: JsonObject, onError: OnError): number {
  const affinity = optionalText(spec, 'sessionAffinity') || 'None';
  if (affinity === 'ClientIP') return affinitySeconds(spec, onError);
  if (affinity !== 'None') {
    onError(new FieldError('sessionAffinity', affinity, 'ClientIP or None; None is in force'));
  }
  return 0;
}

function affinitySeconds(spec: JsonObject, onError: OnError): number {
  const config = optionalObjectField(spec, 'sessionAffinityConfig');
  const clientIp = within('sessionAffinityConfig', () => optionalObjectField(config, 'clientIP'));
  const seconds = clientIp.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  if (isWhole(seconds) && seconds >= 1 && seconds <= MAX_AFFINITY_SECONDS) return seconds;
  onError(
    new FieldError(
      'sessionAffinityConfig.clientIP.timeoutSeconds',
      seconds,
      `a whole number from 1 to ${MAX_AFFINITY_SECONDS}; ${DEFAULT_AFFINITY_SECONDS} is in force`,
    ),
  );
  return DEFAULT_AFFINITY_SECONDS;
}

function policyField(spec: JsonObject, field: string, onError: OnError): TrafficPolicy {
  const word = optionalText(spec, field) || 'Cluster';
  if (word === 'Local' || word === 'Cluster') return word;
  onError(new FieldError(field, word, 'Cluster or Local; Cluster is in force'));
  return 'Cluster';
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value);
}
