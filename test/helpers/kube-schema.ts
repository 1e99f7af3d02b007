// SPDX-License-Identifier: Apache-2.0
// Whether an object is as the published schemas of Kubernetes and of the Prometheus operator say. Their validators let
// fields pass that they do not know, as the API server does with a warning that nobody sees; here those are problems.

import {
  PodMonitor,
  PrometheusRule,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { ClusterRole, ClusterRoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { ConfigMap, Pod, ServiceAccount } from 'kubernetes-models/v1';

const CLASSES = [
  DaemonSet,
  ConfigMap,
  ServiceAccount,
  Pod,
  ClusterRole,
  ClusterRoleBinding,
  PodMonitor,
  PrometheusRule,
];

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** @returns what is wrong with `object`, a line each. */
export function schemaProblems(object: KubeObject): readonly string[] {
  const model = CLASSES.find(
    ({ apiVersion, kind }) => apiVersion === object.apiVersion && kind === object.kind,
  );
  if (model === undefined) return [`there is no schema for ${object.apiVersion} ${object.kind}`];
  const asked = new Map<object, Set<string>>();
  return [
    ...refusals(() => model.prototype.validate.call(watched(object, asked) as never)),
    ...unknownFields(object, asked, ''),
  ];
}

function refusals(validate: () => void): readonly string[] {
  try {
    validate();
    return [];
  } catch (error) {
    return (error as Error).message.split(/(?:, )?\bdata(?=\/| )/).filter(Boolean);
  }
}

/** Notes each field that is asked for: a validator asks for all that it knows, and for no other. */
function watched<T>(value: T, asked: Map<object, Set<string>>): T {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, field) {
      if (typeof field === 'string') {
        const fields = asked.get(target) ?? new Set();
        asked.set(target, fields.add(field));
      }
      return watched(Reflect.get(target, field), asked);
    },
  });
}

/** Of an object that was asked for nothing the schema says nothing. */
function unknownFields(
  value: unknown,
  asked: ReadonlyMap<object, ReadonlySet<string>>,
  path: string,
): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const known = asked.get(value);
  if (known === undefined) return [];
  return Object.entries(value).flatMap(([field, inner]) =>
    Array.isArray(value) || known.has(field)
      ? unknownFields(inner, asked, `${path}/${field}`)
      : [`${path}/${field} is no field`],
  );
}
