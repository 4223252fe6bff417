import { pino, type DestinationStream, type Logger } from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;

/** What the shell writes for people who operate it. The message is constant text; what varies is in the fields. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  fatal(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** `json`: one object a line. `text`: one readable line, for a terminal. */
  readonly format: 'json' | 'text';
  /** Stands in every line, such as the node's name. */
  readonly fields?: LogFields;
  /** Where lines go, standard error by default. */
  readonly destination?: { write(line: string): void };
}

/** Longest value of a field in a line of text, in characters; what comes from outside is cut there. */
const TEXT_FIELD_CHARS_MAX = 200;

/** A log by pino. Lines are written at once: the last one before the end of the process is there too. */
export function createLog(options: LogOptions): Log {
  const standardError = (): DestinationStream => pino.destination({ fd: 2, sync: true });
  const destination = options.destination ?? standardError();
  const stream = options.format === 'json' ? destination : { write: (line: string) => destination.write(asText(line)) };
  const logger: Logger = pino(
    {
      level: options.level,
      base: options.fields ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    stream,
  );
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    fatal: (message, fields) => logger.fatal(fields ?? {}, message),
  };
}

/** `12:00:00.000 INFO  us-east-1/a listening resp=6400 http=6401` from pino's line. */
function asText(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clockTime = String(time).slice(11, 23);
  const parts = [clockTime, String(level).toUpperCase().padEnd(5), printable(String(msg))];
  for (const [name, value] of Object.entries(fields)) parts.push(`${printable(name)}=${fieldText(value)}`);
  return `${parts.join(' ')}\n`;
}

function fieldText(value: unknown): string {
  if (isErrorRecord(value)) return printable(value.message);
  return printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
}

function isErrorRecord(value: unknown): value is { readonly message: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value;
}

/** Without what would start a new line or steer a terminal. */
function printable(text: string): string {
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
  return plain.length > TEXT_FIELD_CHARS_MAX ? `${plain.slice(0, TEXT_FIELD_CHARS_MAX)}…` : plain;
}
