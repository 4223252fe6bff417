import type { Parsed } from './parameter-kinds.ts';
import { parseMemory } from '../base/memory-size.ts';
import type { OutputLimit, ServerSettings } from './server-settings.ts';

type Limits = ServerSettings['outputLimits'];

/** `client-output-buffer-limit` as CONFIG GET shows it. */
export function outputLimitsText({ normal, replica, pubsub }: Limits): string {
  const part = (name: string, limit: OutputLimit): string =>
    `${name} ${limit.hardBytes} ${limit.softBytes} ${limit.softSeconds}`;
  return [part('normal', normal), part('slave', replica), part('pubsub', pubsub)].join(' ');
}

/** Reads `class hard soft seconds …` over the limits that hold; null or why not. */
function parse(text: string, present: Limits): Limits | string {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0 || words.length % 4 !== 0) return 'Wrong number of arguments in buffer limit configuration.';
  const limits = { ...present };
  for (let i = 0; i < words.length; i += 4) {
    const [name = '', hard = '', soft = '', seconds = ''] = words.slice(i, i + 4);
    const className = name.toLowerCase() === 'slave' ? 'replica' : name.toLowerCase();
    if (className !== 'normal' && className !== 'replica' && className !== 'pubsub') {
      return 'Invalid client class specified in buffer limit configuration.';
    }
    const hardBytes = parseMemory(hard);
    const softBytes = parseMemory(soft);
    if (hardBytes === null || softBytes === null || !/^\d{1,9}$/.test(seconds)) {
      return 'Error in hard, soft or soft_seconds setting in buffer limit configuration.';
    }
    limits[className] = { hardBytes, softBytes, softSeconds: Number(seconds) };
  }
  return limits;
}

/** Checks a value; it is merged with the limits that hold when it is written. */
export function outputLimitsKind(text: string): Parsed {
  const none: OutputLimit = { hardBytes: 0, softBytes: 0, softSeconds: 0 };
  const parsed = parse(text, { normal: none, replica: none, pubsub: none });
  return typeof parsed === 'string' ? { refusal: parsed } : { text };
}

/** Writes a value that `outputLimitsKind` has accepted. */
export function writeOutputLimits(settings: ServerSettings, text: string): void {
  const parsed = parse(text, settings.outputLimits);
  if (typeof parsed !== 'string') settings.outputLimits = parsed;
}
