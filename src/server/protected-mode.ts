const WHY =
  'no password is set for the clients (requirepass). In this mode only clients of the same machine are served, from the loopback interface. ' +
  'To be served from elsewhere do one of these: 1) set a password: requirepass in the region file, CAUSEWAY_REQUIREPASS, or ' +
  "CONFIG SET requirepass from the node's own machine; " +
  "2) say that the network itself keeps strangers out: protectedMode: false in the region file, or 'CONFIG SET protected-mode no' from the node's own machine.";

/** What a client of another machine hears of a node without a password, as Redis words it. */
export const PROTECTED_MODE_REPLY: string = `-DENIED Causeway is running in protected mode because protected mode is enabled and ${WHY}\r\n`;

/** The same for whoever asks over HTTP. */
export const PROTECTED_MODE_ERROR: string = `protected mode: only /healthz and /readyz are answered to other machines, because ${WHY}`;
