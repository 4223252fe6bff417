/** What can be done to a node of a running cluster. */
export const NODE_ACTIONS = {
  kill: { help: 'SIGKILL: it ends without a word' },
  stop: { help: 'SIGTERM: it ends in order' },
  start: { help: 'start it again on the same ports and data, and wait until it is ready' },
  pause: { help: 'SIGSTOP: it stands still' },
  resume: { help: 'SIGCONT: it goes on' },
} as const;

export type NodeAction = keyof typeof NODE_ACTIONS;
