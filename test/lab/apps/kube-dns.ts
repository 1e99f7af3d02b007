// SPDX-License-Identifier: Apache-2.0
// Image `kube-dns`: cluster DNS, fed by the API server.

process.argv.push('--kubeconfig', process.env.KUBECONFIG ?? '');
await import('../dns/main.ts');
