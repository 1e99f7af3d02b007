// SPDX-License-Identifier: Apache-2.0
// As much OpenAPI v3 as kubectl needs to be content: that every resource can be patched with
// `fieldValidation`, so that it leaves validation to the server. No schemas.

import { apiVersionOf, RESOURCES } from './resources.ts';

const PREFIX = '/openapi/v3/';

/** @returns undefined when `path` is no OpenAPI v3 document. */
export function openApi(path: string): object | undefined {
  const roots = [...new Set(RESOURCES.map(apiVersionOf))].map(rootOf);
  if (path === '/openapi/v3') {
    return {
      paths: Object.fromEntries(
        roots.map((root) => [root, { serverRelativeURL: `${PREFIX}${root}?hash=lab` }]),
      ),
    };
  }
  const root = path.slice(PREFIX.length);
  if (!path.startsWith(PREFIX) || !roots.includes(root)) return undefined;
  const entries = RESOURCES.filter((entry) => rootOf(apiVersionOf(entry)) === root);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.0-lab' },
    paths: Object.fromEntries(
      entries.map(({ group, version, kind, plural, namespaced }) => [
        `/${root}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}/{name}`,
        {
          patch: {
            'x-kubernetes-group-version-kind': { group, version, kind },
            parameters: [{ name: 'fieldValidation', in: 'query', schema: { type: 'string' } }],
          },
        },
      ]),
    ),
    components: { schemas: {} },
  };
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`;
}
