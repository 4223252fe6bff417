import type { Glob } from '../base/glob.ts';
import { CausewayError } from '../errors.ts';
import type { ParameterKind } from './parameter-kinds.ts';
import { refuse } from './refusals.ts';
import type { ServerSettings } from './server-settings.ts';

/** One parameter of CONFIG. */
export interface Parameter {
  readonly name: string;
  /** Older names for the same value. */
  readonly aliases?: readonly string[];
  readonly kind: ParameterKind;
  /** What it is at the start, where no setting says so. */
  readonly initial?: string;
  /** CONFIG SET refuses it. */
  readonly immutable?: true;
  /** The setting behind it; without one the value is only remembered. */
  readonly setting?: {
    read(settings: ServerSettings): string;
    write(settings: ServerSettings, text: string): void;
  };
}

/** The parameters with their values. Names are found in any case. */
export class ParameterTable {
  readonly #parameters: Map<string, Parameter> = new Map();
  readonly #values: Map<Parameter, string> = new Map();
  readonly #settings: ServerSettings;

  constructor(parameters: readonly Parameter[], settings: ServerSettings) {
    this.#settings = settings;
    for (const parameter of parameters) {
      for (const name of [parameter.name, ...(parameter.aliases ?? [])]) this.#parameters.set(name, parameter);
      if (parameter.setting === undefined) this.#values.set(parameter, parameter.initial ?? '');
    }
  }

  #valueOf(parameter: Parameter): string {
    return parameter.setting?.read(this.#settings) ?? this.#values.get(parameter) ?? '';
  }

  /** Names and values of the parameters that one of the patterns matches. */
  matching(globs: readonly Glob[]): [name: string, value: string][] {
    const found: [string, string][] = [];
    for (const [name, parameter] of this.#parameters) {
      if (globs.some((glob) => glob.matchesText(name))) found.push([name, this.#valueOf(parameter)]);
    }
    return found;
  }

  /** The value of one parameter, undefined when there is no such one. */
  get(name: string): string | undefined {
    const parameter = this.#parameters.get(name);
    return parameter === undefined ? undefined : this.#valueOf(parameter);
  }

  /** Sets a value from the node's own configuration, immutable or not. */
  preset(name: string, value: string): void {
    const parameter = this.#parameters.get(name);
    if (parameter === undefined) throw new CausewayError('CONFIG', `there is no parameter ${name}`);
    this.#assign(parameter, value);
  }

  /** Sets all or none. Throws in Redis's words. */
  set(pairs: readonly (readonly [name: string, value: string])[]): void {
    const accepted = new Map<Parameter, string>();
    for (const [given, value] of pairs) {
      const name = given.toLowerCase();
      const parameter = this.#parameters.get(name);
      if (parameter === undefined) {
        throw refuse(`Unknown option or number of arguments for CONFIG SET - '${given}'`);
      }
      if (parameter.immutable) throw failed(name, "can't set immutable config");
      if (accepted.has(parameter)) throw failed(name, 'duplicate parameter');
      const parsed = parameter.kind(value);
      if ('refusal' in parsed) throw failed(name, parsed.refusal);
      accepted.set(parameter, parsed.text);
    }
    for (const [parameter, text] of accepted) this.#assign(parameter, text);
  }

  #assign(parameter: Parameter, text: string): void {
    if (parameter.setting === undefined) this.#values.set(parameter, text);
    else parameter.setting.write(this.#settings, text);
  }
}

function failed(name: string, why: string): CausewayError {
  return refuse(`CONFIG SET failed (possibly related to argument '${name}') - ${why}`);
}
