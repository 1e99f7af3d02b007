// SPDX-License-Identifier: Apache-2.0
// The Services that the tests of long-lived sockets dial: over both protocols, none shares a backend.

import { bothProtocols, kubeService, TARGET_PORT } from './kube-service.ts';

export const WEB = '10.96.0.1';
export const OTHER = '10.96.0.2';
export const EMPTY = '10.96.0.3';
export const LARGE = '10.96.0.4';

export const WEB_BACKEND = '10.244.1.1';
export const LARGE_BACKENDS = ['10.244.1.11', '10.244.1.12', '10.244.1.13', '10.244.1.14'];

export const SERVICES = [
  ...kubeService('web', [WEB], bothProtocols(80, [WEB_BACKEND])),
  ...kubeService('other', [OTHER], bothProtocols(80, ['10.244.1.2'])),
  ...kubeService('empty', [EMPTY], bothProtocols(TARGET_PORT, [])),
  ...kubeService('large', [LARGE], bothProtocols(80, LARGE_BACKENDS)),
];
