// SPDX-License-Identifier: Apache-2.0
// Patches as kubectl and client-go send them: JSON merge patch, strategic merge patch, JSON patch.
// Pure: each makes a new value.

import { ApiError } from '../api-error.ts';

type Json = unknown;
type Fields = Record<string, Json>;

/** Lists that a strategic merge patch merges by a key. Lists not named here are replaced. */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  addresses: ['type'],
  conditions: ['type'],
  containers: ['name'],
  env: ['name'],
  ephemeralContainers: ['name'],
  hostAliases: ['ip'],
  imagePullSecrets: ['name'],
  initContainers: ['name'],
  ownerReferences: ['uid'],
  // Service ports are keyed by `port`, container ports by `containerPort`.
  ports: ['containerPort', 'port'],
  secrets: ['name'],
  volumeMounts: ['mountPath'],
  volumes: ['name'],
};

/** Applies a patch of the given media type. @throws ApiError 415, 400. */
export function applyPatch(mediaType: string, target: Json, patch: Json, kind: string): Json {
  switch (mediaType) {
    case 'application/merge-patch+json':
      return mergePatch(target, patch);
    case 'application/strategic-merge-patch+json':
      // EndpointSlice lists are atomic.
      return kind === 'EndpointSlice' ? mergePatch(target, patch) : strategicMerge(target, patch);
    case 'application/json-patch+json':
      return (patch as Operation[]).reduce(applyOperation, target);
    default:
      throw new ApiError(415, `the body of the request was in an unknown format: ${mediaType}`);
  }
}

/** RFC 7386. */
function mergePatch(target: Json, patch: Json): Json {
  if (!isFields(patch)) return patch;
  const merged: Fields = isFields(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete merged[field];
    else merged[field] = mergePatch(merged[field], value);
  }
  return merged;
}

/** Kubernetes' own: like a merge patch, but lists of {@link MERGE_KEYS} merge element by element. */
export function strategicMerge(target: Json, patch: Json): Json {
  if (!isFields(patch)) return patch;
  const { $patch, $retainKeys, ...fields } = patch;
  if ($patch === 'replace') return fields;
  const merged: Fields = isFields(target) ? { ...target } : {};
  if (Array.isArray($retainKeys)) {
    for (const field of Object.keys(merged)) if (!$retainKeys.includes(field)) delete merged[field];
  }
  for (const [field, value] of Object.entries(fields)) {
    if (field.startsWith('$setElementOrder/')) continue;
    if (field.startsWith('$deleteFromPrimitiveList/')) {
      const list = field.slice(field.indexOf('/') + 1);
      merged[list] = asList(merged[list]).filter((item) => !asList(value).includes(item));
    } else if (value === null) delete merged[field];
    else if (Array.isArray(value)) merged[field] = mergeList(field, merged[field], value);
    else merged[field] = strategicMerge(merged[field], value);
  }
  return merged;
}

function mergeList(field: string, target: Json, patch: readonly Json[]): Json[] {
  if (field === 'finalizers') return [...new Set([...asList(target), ...patch])];
  const sample = [...patch, ...asList(target)].find(isFields);
  const key = MERGE_KEYS[field]?.find((candidate) => sample && candidate in sample);
  const replaces = patch.some((item) => isFields(item) && item.$patch === 'replace');
  if (!key || replaces) return patch.filter((item) => !isFields(item) || !item.$patch);
  const merged = [...asList(target)];
  for (const item of patch) {
    const isSame = (other: Json) => isFields(other) && isFields(item) && other[key] === item[key];
    const at = merged.findIndex(isSame);
    if (isFields(item) && item.$patch === 'delete') {
      if (at >= 0) merged.splice(at, 1);
    } else if (at >= 0) merged[at] = strategicMerge(merged[at], item);
    else merged.push(item);
  }
  return merged;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: Json;
}

/** RFC 6902 without `move` and `copy`, which no client here sends. */
function applyOperation(target: Json, { op, path, value }: Operation): Json {
  const steps = path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop();
  if (last === undefined) return value;
  const root = structuredClone(target);
  let parent = root;
  for (const step of steps) parent = (parent as Fields | undefined)?.[step];
  if (Array.isArray(parent)) changeItem(parent, op, last, value);
  else if (isFields(parent)) changeField(parent, op, last, value);
  else throw new ApiError(422, `jsonpatch: path ${path} does not exist`);
  return root;
}

function changeItem(items: Json[], op: string, step: string, value: Json): void {
  const at = step === '-' ? items.length : Number(step);
  if (op === 'add') items.splice(at, 0, value);
  else if (op === 'replace') items[at] = value;
  else if (op === 'remove') items.splice(at, 1);
  else checkOperation(op, items[at], value);
}

function changeField(fields: Fields, op: string, step: string, value: Json): void {
  if (op === 'add' || op === 'replace') fields[step] = value;
  else if (op === 'remove') delete fields[step];
  else checkOperation(op, fields[step], value);
}

function checkOperation(op: string, present: Json, expected: Json): void {
  if (op !== 'test') throw new ApiError(400, `jsonpatch: unsupported operation ${op}`);
  if (JSON.stringify(present) !== JSON.stringify(expected)) {
    throw new ApiError(422, 'jsonpatch: testing value failed');
  }
}

function isFields(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asList(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [];
}
