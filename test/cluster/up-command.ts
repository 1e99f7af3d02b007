// SPDX-License-Identifier: Apache-2.0
// `npm run cluster -- up`: the machines of the inventory become a cluster. Side by side as far as they can: a worker
// waits for the control plane only before it joins. May be run again: what is done is left alone.

import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
import { EnvironmentError } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';
import { controlPlaneOf, type Inventory, type Machine, readInventory } from './inventory.ts';
import { environmentOf } from './network-plan.ts';
import { type InventoryFlags, inventoryOption, minutesOption } from './options.ts';
import { copyTree, mustRunScript, type Tree } from './ssh.ts';
import { onAll, Steps, THERE } from './steps.ts';

interface Flags extends InventoryFlags {
  readonly bundle?: string;
  readonly kubernetes: string;
  readonly podNetwork: string;
  readonly image?: string;
  readonly timeout: number;
}

const CONFIG = '/etc/kubernetes/signalbox-cluster.yaml';
const KUBECONFIG = { KUBECONFIG: '/etc/kubernetes/admin.conf' };

export function upCommand(): Command {
  return new Command('up')
    .description('make the machines a cluster without kube-proxy, with Signalbox; may be repeated')
    .addOption(inventoryOption())
    .addOption(
      new Option('--bundle <directory>', 'Kubernetes from here: bin/ and images/*.tar').env(
        'KUBERNETES_BUNDLE',
      ),
    )
    .addOption(
      new Option('--kubernetes <version>', "or from Kubernetes' packages, of this minor version")
        .env('KUBERNETES_VERSION')
        .default('1.36'),
    )
    .addOption(
      new Option('--pod-network <name>', 'how pods reach each other')
        .env('POD_NETWORK')
        .choices(['routes', 'flannel'])
        .default('routes'),
    )
    .option('--image <file>', 'of scripts/image (default: image/signalbox-ARCHITECTURE.tar)')
    .addOption(minutesOption('for each step of a machine', 60))
    .action(run);
}

async function run({ inventory: file, ...flags }: Flags): Promise<void> {
  const inventory = readInventory(file);
  const controlPlane = controlPlaneOf(inventory);
  const joining = Promise.withResolvers<Record<string, string>>();
  joining.promise.catch(() => {}); // There may be no worker to be told.
  const imported = new Map(
    inventory.machines.map(({ name }) => [name, Promise.withResolvers<void>()]),
  );

  await onAll(inventory, async (machine) => {
    const steps = new Steps(machine);
    try {
      await provision(machine, { steps, inventory, flags, joining, imported });
    } catch (error) {
      const message = `the control plane ${controlPlane.name} failed: there is nothing to join`;
      if (machine.name === controlPlane.name) joining.reject(new EnvironmentError(message));
      throw error;
    } finally {
      imported.get(machine.name)?.resolve();
    }
  });
  const steps = new Steps(controlPlane);
  await steps.run('ready', (say) => untilReady(controlPlane, flags.timeout * 60, say));
}

interface Run {
  readonly steps: Steps;
  readonly inventory: Inventory;
  readonly flags: Omit<Flags, 'inventory'>;
  /** What a worker joins with: known when there is a control plane. */
  readonly joining: PromiseWithResolvers<Record<string, string>>;
  /** Of each machine: it has the image, or will not get it. */
  readonly imported: ReadonlyMap<string, PromiseWithResolvers<void>>;
}

async function provision(machine: Machine, { steps, inventory, flags, joining, imported }: Run) {
  const architecture = await steps.run('reach', (say) => lookAt(machine, say));
  const image = path.resolve(flags.image ?? `${ROOT}/image/signalbox-${architecture}.tar`);
  const trees = treesFor(image, flags.bundle);
  await steps.run('files', async (say) => {
    const copied: string[] = [];
    for (const tree of trees) if (await copyTree(machine, tree)) copied.push(tree.to);
    say(copied.length === 0 ? 'nothing to change' : `changes: ${copied.join(' ')}`);
  });
  const timeoutS = flags.timeout * 60;
  const env = {
    ...environmentOf(machine, inventory),
    POD_NETWORK: flags.podNetwork,
    KUBERNETES_VERSION: flags.kubernetes,
    IMAGE: `${THERE}/image/${path.basename(image)}`,
    DEPLOY: `${THERE}/tree/deploy`,
    ...(flags.bundle === undefined ? {} : { KUBERNETES_BUNDLE: `${THERE}/bundle` }),
  };
  await steps.provision('network', { env, timeoutS });
  await steps.provision('node', { env, timeoutS });
  if (machine.role === 'control-plane') {
    const token = await tokenOf(machine);
    await steps.provision('control-plane', { env: { ...env, TOKEN: token }, timeoutS });
    joining.resolve({ TOKEN: token, CA_HASH: await caHashOf(machine) });
    // Agents start when the DaemonSet is applied, and out of what is there then.
    const others = [...imported].filter(([name]) => name !== machine.name);
    await Promise.all(others.map(([, { promise }]) => promise));
    await steps.provision('signalbox', { env, timeoutS });
  } else {
    await steps.provision('signalbox', { env, timeoutS });
    imported.get(machine.name)?.resolve();
    const secrets = await joining.promise;
    await steps.provision('worker', { env: { ...env, ...secrets }, timeoutS });
  }
}

/** @returns the architecture, in Debian's word, which is the images' as well. */
async function lookAt(machine: Machine, say: (line: string) => void): Promise<string> {
  const script = `. /etc/os-release && dpkg --print-architecture && echo "$PRETTY_NAME, $(uname -r)"`;
  const [architecture = '', system = ''] = (await mustRunScript(machine, script)).split('\n');
  say(`${system}, ${architecture}`);
  return architecture;
}

function treesFor(image: string, bundle: string | undefined): readonly Tree[] {
  if (!existsSync(image)) {
    throw new EnvironmentError(`there is no image ${image}`, { hint: 'scripts/image makes it' });
  }
  const scripts = ['deploy', 'test/cluster/provision'];
  const trees = [
    { from: ROOT, paths: scripts, to: `${THERE}/tree` },
    { from: path.dirname(image), paths: [path.basename(image)], to: `${THERE}/image` },
  ];
  if (bundle === undefined) return trees;
  return [...trees, { from: bundle, paths: ['bin', 'images'], to: `${THERE}/bundle` }];
}

/** The one that the cluster was made with, so that a second run changes nothing. */
async function tokenOf(machine: Machine): Promise<string> {
  const script = `sed -n 's/^  - token: //p' ${CONFIG} 2>/dev/null || true`;
  const token = (await mustRunScript(machine, script)).trim();
  return token || `${randomBytes(3).toString('hex')}.${randomBytes(8).toString('hex')}`;
}

/** By which workers know that it is their control plane: of the key of its authority, as kubeadm wants it. */
async function caHashOf(machine: Machine): Promise<string> {
  const certificate = new X509Certificate(
    await mustRunScript(machine, 'cat /etc/kubernetes/pki/ca.crt'),
  );
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

async function untilReady(machine: Machine, timeoutS: number, say: (line: string) => void) {
  const wait = `kubectl wait --for=condition=Ready nodes --all --timeout=${timeoutS}s
kubectl -n kube-system rollout status daemonset/signalbox --timeout=${timeoutS}s | tail -n 1`;
  const script = `set -eo pipefail\n${wait}`;
  await mustRunScript(machine, script, { env: KUBECONFIG, timeoutS: 2 * timeoutS, onLine: say });
}
