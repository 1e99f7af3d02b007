// SPDX-License-Identifier: Apache-2.0
// Signalbox as the cluster runs it: its DaemonSet and pods, its commands as a person runs them, and its process, which
// tests kill.

import type { V1Container, V1DaemonSet, V1Pod } from '@kubernetes/client-node';
import { controlPlaneOf, type Inventory, type Machine } from '../inventory.ts';
import { mustRunScript, quoted, type RemoteResult, runScript } from '../ssh.ts';
import type { Api } from './api.ts';
import { eventually, NotYet } from './eventually.ts';
import { isReady } from './pods.ts';

const PLACE = { name: 'signalbox', namespace: 'kube-system' };
const LABEL = 'app.kubernetes.io/name=signalbox';
const CONTAINER = 'agent';

export function daemonSet({ apps }: Api): Promise<V1DaemonSet> {
  return apps.readNamespacedDaemonSet(PLACE);
}

/** Of the agent, and so of all pods that the tests make. */
export async function agentImage(api: Api): Promise<string> {
  const { spec } = await daemonSet(api);
  const agent = spec?.template.spec?.containers.find(({ name }) => name === CONTAINER);
  if (!agent?.image) throw new Error('the DaemonSet signalbox has no container agent');
  return agent.image;
}

export async function agentPod({ core }: Api, node: string): Promise<V1Pod> {
  const { items } = await core.listNamespacedPod({
    namespace: PLACE.namespace,
    labelSelector: LABEL,
    fieldSelector: `spec.nodeName=${node}`,
  });
  const pod = items.find(({ metadata }) => metadata?.deletionTimestamp === undefined);
  if (!pod) throw new Error(`no pod of Signalbox on ${node}`);
  return pod;
}

/** Waits for another one than `before`: its container or the pod itself has been replaced, and is ready. */
export async function agentIsBack(api: Api, node: string, before: V1Pod): Promise<V1Pod> {
  const runBefore = runOf(before);
  return await eventually(`the agent of ${node} is ready again`, async () => {
    const pod = await agentPod(api, node);
    return runOf(pod) !== runBefore && isReady(pod) ? pod : new NotYet(pod.status);
  });
}

function runOf({ metadata, status }: V1Pod): string {
  const container = status?.containerStatuses?.find(({ name }) => name === CONTAINER);
  return `${metadata?.uid} ${container?.restartCount}`;
}

/** `kill -9`, as when the kernel runs out of memory. */
export async function killAgent(machine: Machine): Promise<void> {
  // Not this shell, whose own command line has the same words.
  await mustRunScript(
    machine,
    `killed=
for folder in /proc/[0-9]*; do
  case "$(readlink "$folder/exe")" in */node) ;; *) continue ;; esac
  tr '\\0' ' ' <"$folder/cmdline" | grep -q 'signalbox agent ' || continue
  kill -9 "\${folder#/proc/}" && killed=yes
done
[ -n "$killed" ]`,
    { timeoutS: 300 },
  );
}

export async function deleteAgentPod({ core }: Api, { metadata }: V1Pod): Promise<void> {
  await core.deleteNamespacedPod({ name: metadata?.name ?? '', namespace: PLACE.namespace });
}

/** Gives all containers another image, and waits until every node runs it. */
export async function rollOut(api: Api, image: string): Promise<void> {
  await eventually(`the DaemonSet has the image ${image}`, async () => {
    const body = await daemonSet(api);
    const spec = body.spec?.template.spec;
    const containers: V1Container[] = [
      ...(spec?.containers ?? []),
      ...(spec?.initContainers ?? []),
    ];
    for (const container of containers) container.image = image;
    return await api.apps.replaceNamespacedDaemonSet({ ...PLACE, body });
  });
  await eventually(`every node runs ${image}`, async () => {
    const { metadata, status } = await daemonSet(api);
    const wanted = status?.desiredNumberScheduled;
    const isDone =
      status?.observedGeneration === metadata?.generation &&
      status?.updatedNumberScheduled === wanted &&
      status?.numberReady === wanted;
    return isDone ? undefined : new NotYet(status);
  });
}

/** Gives an image that a machine has a second name. */
export async function nameImage(machine: Machine, image: string, name: string): Promise<void> {
  // containerd has it with a registry before its name, and so must have the second one.
  const script = `
    full=$(ctr --namespace k8s.io images list --quiet | grep -E "(^|/)$IMAGE$" | head -n 1)
    [ -n "$full" ] || { echo "there is no image $IMAGE" >&2; exit 1; }
    ctr --namespace k8s.io images tag --force "$full" "\${full%"$IMAGE"}$NAME"`;
  await mustRunScript(machine, script, { timeoutS: 300, env: { IMAGE: image, NAME: name } });
}

/** Runs a command of Signalbox in its pod on that node, with kubectl on the control plane. */
export async function signalbox(
  api: Api,
  inventory: Inventory,
  node: string,
  args: readonly string[],
): Promise<RemoteResult> {
  const { metadata } = await agentPod(api, node);
  const argv = ['signalbox', ...args].map(quoted).join(' ');
  const script = `export PATH=$PATH:/usr/local/bin KUBECONFIG=/etc/kubernetes/admin.conf
kubectl --namespace kube-system exec ${metadata?.name} --container agent -- ${argv}`;
  return await runScript(controlPlaneOf(inventory), script, { timeoutS: 600 });
}
