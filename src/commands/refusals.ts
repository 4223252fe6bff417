import { CausewayError } from '../errors.ts';

/** A refusal in Redis's words. Commands throw these before their first update. */
export function refuse(message: string): CausewayError {
  return new CausewayError('ERR', message);
}

export function wrongType(): CausewayError {
  return new CausewayError('WRONGTYPE', 'Operation against a key holding the wrong kind of value');
}

export function syntaxError(): CausewayError {
  return refuse('syntax error');
}

export function wrongArity(commandName: string): CausewayError {
  return refuse(`wrong number of arguments for '${commandName}' command`);
}

export function notAnInteger(): CausewayError {
  return refuse('value is not an integer or out of range');
}

export function invalidExpireTime(commandName: string): CausewayError {
  return refuse(`invalid expire time in '${commandName}' command`);
}

/** A request past a limit of ours: says which and its value. */
export function overLimit(what: string, limitName: string, limit: number): CausewayError {
  return refuse(`${what} (limit ${limitName} ${limit})`);
}
