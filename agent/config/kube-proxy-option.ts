// SPDX-License-Identifier: Apache-2.0
// What is said of one of kube-proxy's options: the form of the rows in options-*.ts, from which flags, the
// configuration file, help, notices and docs/configuration.md are made.

import type { KindName, Value } from './value-kinds.ts';

export interface KubeProxyOption {
  /** Without the dashes. */
  readonly flag?: string;
  readonly short?: string;
  /** Path in a KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1. */
  readonly key?: string;
  readonly kind: KindName;
  readonly default: Value;
  /** In the file, null stands for the default, and Go's zero value counts; elsewhere that is the default, too. */
  readonly nullable?: true;
  /** With --config the flag counts all the same. */
  readonly besideConfig?: true;
  /** Operators of Signalbox use it, too: it does not say that kube-proxy's place is taken. */
  readonly shared?: true;
  /** No longer among kube-proxy's; still found in old manifests. */
  readonly gone?: true;
  /** What it does here. */
  readonly does?: string;
  /** Said once where it is given another value than its default: why it has no effect here, or not all of it. */
  readonly notice?: string;
  /** Of the value, in a line of help. */
  readonly placeholder?: string;
}
