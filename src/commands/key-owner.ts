import type { NodeView } from './node-view.ts';

/** Between the parts of a message. */
export const END_OF_PART = '\0';

/**
 * The node that decides for a key who loads it: the one of those that are connected which has the highest hash with the key (rendezvous: Thaler, Ravishankar,
 * 1998). Nodes that do not see the same members may find different ones.
 */
export function ownerOf(node: NodeView, key: string, isOfRegion: boolean, wallMs: number): string {
  let owner = node.nodeId;
  let best = rank(owner, key);
  for (const { id, region, connected } of node.peers(wallMs)) {
    if (!connected || (isOfRegion && region !== node.region)) continue;
    const its = rank(id, key);
    if (its < best || (its === best && id < owner)) continue;
    owner = id;
    best = its;
  }
  return owner;
}

/** FNV-1a with the end of MurmurHash3: the same at all nodes, and even for names that differ in a letter. */
function rank(node: string, key: string): number {
  let hash = 0x811c9dc5;
  for (const text of [node, END_OF_PART, key])
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
