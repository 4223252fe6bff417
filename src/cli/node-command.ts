import { z } from 'zod';
import { CausewayError } from '../errors.ts';
import { askAdmin } from '../wan/admin-client.ts';
import { readReadyFile } from './ready-file.ts';
import { tableOf } from './table.ts';
import { UsageError, type Terminal } from './usage.ts';

const actionAnswer = z.object({ message: z.string() });

/** Prints the nodes of a cluster as its ready file has them. */
export function nodeList(readyFile: string, terminal: Terminal): void {
  const { nodes } = readReadyFile(readyFile);
  const rows = nodes.map((node) => [
    node.id,
    node.state,
    node.pid === null ? '-' : String(node.pid),
    node.resp,
    node.http,
  ]);
  terminal.write(tableOf(['node', 'state', 'pid', 'redis', 'http'], rows));
}

/** Does it to one node; returns once it is done. `up` does it, for it is the parent of all nodes. */
export async function nodeAct(action: string, id: string, readyFile: string, terminal: Terminal): Promise<void> {
  const { admin, nodes } = readReadyFile(readyFile);
  if (!nodes.some((node) => node.id === id)) {
    throw new UsageError(`unknown node "${id}"; there are ${nodes.map((node) => node.id).join(', ')}`);
  }
  const parsed = actionAnswer.safeParse(await askAdmin(admin, '/nodes', { id, action }));
  if (!parsed.success) throw new CausewayError('PROTOCOL', 'what answers there is not `causeway up` of this version');
  terminal.write(`${parsed.data.message}\n`);
}
