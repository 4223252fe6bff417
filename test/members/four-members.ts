import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

export interface Four {
  readonly cluster: VirtualCluster;
  readonly lost: VirtualNode;
  readonly survivors: readonly [VirtualNode, VirtualNode, VirtualNode];
}

/** Four members; `lost` is at 0, the survivors at 1, 2, 3. */
export function four(): Four {
  const cluster = new VirtualCluster({ regions: ['a', 'b', 'c', 'd'] });
  cluster.run(1_000);
  const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
  return { cluster, lost, survivors: [b, c, d] };
}
