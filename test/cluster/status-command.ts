// SPDX-License-Identifier: Apache-2.0
// `npm run cluster -- status`: nodes, pods, and what each agent says of itself. Exit code 1 when something is wrong.

import { Command } from 'commander';
import { EnvironmentError } from '../../agent/errors.ts';
import { controlPlaneOf, readInventory } from './inventory.ts';
import { type InventoryFlags, inventoryOption } from './options.ts';
import { disconnect, runScript } from './ssh.ts';

const SCRIPT = `export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl get nodes -o wide || exit 1
echo
kubectl get pods -A -o wide
echo
unwell=0
for pod in $(kubectl -n kube-system get pods -l app.kubernetes.io/name=signalbox -o name); do
  status=$(kubectl -n kube-system exec "$pod" -c agent -- signalbox status 2>&1) || unwell=1
  echo "$pod: $(head -n 1 <<<"$status")"
done
[ -z "$(kubectl get nodes --no-headers | awk '$2 != "Ready"')" ] || unwell=1
[ -n "\${pod:-}" ] || { echo 'no agent runs'; unwell=1; }
exit $unwell`;

export function statusCommand(): Command {
  return new Command('status')
    .description('show nodes, pods, and what each agent says of itself')
    .addOption(inventoryOption())
    .action(run);
}

async function run({ inventory: file }: InventoryFlags): Promise<void> {
  const machine = controlPlaneOf(readInventory(file));
  const { code } = await runScript(machine, SCRIPT, {
    timeoutS: 300,
    onLine: (line) => console.log(line),
  });
  await disconnect(machine);
  if (code !== 0) throw new EnvironmentError('not everything is well, see above');
}
