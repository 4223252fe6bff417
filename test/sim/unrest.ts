import type { VirtualNode } from '../support/virtual-cluster.ts';

/** What a node of so many has not forgotten or brought to an end yet; empty when it is at rest. */
export function busyWith(node: VirtualNode, nodes: number): string[] {
  const { holdBackBytes, logBytes, tombstones, recentChanges } = node.core.telemetry(0);
  const vectorSize = node.vector().size;
  const reasons = node.core.unreadyReasons(0);
  const isDrained = holdBackBytes === 0 && logBytes === 0 && tombstones === 0 && vectorSize <= nodes * 2 + 2;
  if (isDrained && reasons.length === 0 && isLedAt(node)) return [];
  const groups = node.core.strong.groups().map((group) => ({ ...group, members: undefined }));
  return [
    `${node.id} ${JSON.stringify({ holdBackBytes, logBytes, tombstones, recentChanges, vectorSize, reasons, groups })}`,
  ];
}

export const isLedAt = (node: VirtualNode): boolean => node.core.strong.groups().every(({ leader }) => leader !== null);

/** Where a group is not led from its home, as it is to be once all is well. */
export const awayFromHome = (node: VirtualNode): string[] =>
  node.core.strong
    .groups()
    .filter(({ home, leader }) => home !== null && leader?.startsWith(`${home}/`) !== true)
    .map(({ name, leader }) => `${node.id} sees ${name} led by ${leader}`);
