import { CausewayError } from '../errors.ts';

/** This life of the node is over and the next one begins at once: it joined again, and its keyspace is from before (SPEC D7). */
export class StartsAgain extends CausewayError {
  constructor(nodeId: string) {
    super('ERR', `${nodeId} joined the cluster again: it starts again, with an empty keyspace`, { retry: 'now' });
    this.name = 'StartsAgain';
  }
}
