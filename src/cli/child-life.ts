/** How long a child of `up` may take to stop by itself once nobody is left to wait for it. */
const ORPHAN_STOP_MS = 2_000;

/** A process that has been asked to end does so by itself, and at once the second time. */
const SECOND_SIGNAL_EXIT_CODE = 130;

/** Whether `up` started this process, over an IPC channel. */
export function isChildOfUp(): boolean {
  return process.connected;
}

/**
 * Fulfilled when this process is to end. As a child of `up`: when told by SIGTERM, or when `up` is gone; SIGINT and
 * SIGHUP reach the whole terminal's group and are for `up` to deal with. On its own: on any of the three.
 */
export async function untilAskedToEnd(): Promise<void> {
  return new Promise((resolve) => {
    const isChild = isChildOfUp();
    let isAsked = false;
    const ask = (): void => {
      if (isAsked) process.exit(SECOND_SIGNAL_EXIT_CODE);
      isAsked = true;
      resolve();
    };
    process.on('SIGTERM', ask);
    process.on('SIGINT', isChild ? ignore : ask);
    process.on('SIGHUP', isChild ? ignore : ask);
    if (!isChild) return;
    process.on('disconnect', () => {
      // Nobody is left to kill it when it hangs.
      setTimeout(() => process.exit(1), ORPHAN_STOP_MS).unref();
      resolve();
    });
  });
}

function ignore(): void {
  // The terminal's signal is for `up`.
}
