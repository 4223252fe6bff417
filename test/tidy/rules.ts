import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { IMPURE_WORDS, type Layer, LAYERS } from './layers.ts';
import { scanSource, type Token } from './scan.ts';

/** A source file: its path from the project's root with forward slashes, its text and its tokens. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  /** The tokens without comments. */
  readonly code: readonly Token[];
}

/** Reads `text` as the file at `path`. */
export function sourceOf(path: string, text: string): Source {
  const tokens = scanSource(text);
  return { path, text, tokens, code: tokens.filter((token) => token.kind !== 'comment') };
}

/** A rule looks at one file and says what is wrong with it, one line a problem, without the file's name. */
export type Rule = (source: Source) => readonly string[];

/** The layer of a file, or undefined outside `src/`. */
function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => path === `src/${layer.path}` || path.startsWith(`src/${layer.path}/`));
}

function at(token: Token, problem: string): string {
  return `line ${token.line}: ${problem}`;
}

/** What a file imports, re-exports or imports dynamically. */
function importsOf(source: Source): readonly Token[] {
  const { code } = source;
  return code.filter((token, index) => {
    if (token.kind !== 'string') return false;
    const before = code[index - 1];
    const beforeThat = code[index - 2];
    if (before?.kind === 'word') return before.text === 'import' || isFromOfAnImport(code, index - 1);
    return before?.text === '(' && beforeThat?.text === 'import';
  });
}

function isFromOfAnImport(code: readonly Token[], index: number): boolean {
  if (code[index]?.text !== 'from') return false;
  const last = code[index - 1];
  return last !== undefined && last.text !== '.' && (last.text === '}' || last.text === '*' || last.kind === 'word');
}

/** `zod` of `zod/v4`, `@scope/name` of `@scope/name/part`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** A file of `src/` lies in a layer and imports from earlier layers only. */
const importsGoOneWay: Rule = (source) => {
  if (!source.path.startsWith('src/')) return [];
  const layer = layerOf(source.path);
  if (layer === undefined) return ['is in no layer of test/tidy/layers.ts'];
  const earlier = LAYERS.slice(0, LAYERS.indexOf(layer)).map((other) => other.path);
  const allowed = new Set([layer.path, ...(layer.imports ?? earlier)]);
  return importsOf(source).flatMap((token) => {
    if (!token.text.startsWith('.')) return [];
    const target = posix.normalize(posix.join(posix.dirname(source.path), token.text));
    const targetLayer = layerOf(target);
    if (targetLayer === undefined) return [at(token, `imports ${target}, which is in no layer`)];
    return allowed.has(targetLayer.path) ? [] : [at(token, `${layer.path} must not import ${targetLayer.path}`)];
  });
};

/** Outside packages are those of the layer's row; Node's own modules are for the shell. */
const packagesAreListed: Rule = (source) => {
  const layer = layerOf(source.path);
  if (layer === undefined) return [];
  const outside = importsOf(source).filter((token) => !token.text.startsWith('.'));
  const packages = new Set<string>();
  const problems = outside.flatMap((token) => {
    if (isBuiltin(token.text)) return layer.pure ? [at(token, `${layer.path} must not import ${token.text}`)] : [];
    const name = packageOf(token.text);
    packages.add(name);
    return layer.packages.includes(name) ? [] : [at(token, `${layer.path} must not import the package ${name}`)];
  });
  if (layer.onePackageAFile === true && packages.size > 1) {
    problems.push(`imports ${[...packages].join(' and ')}: one outside package a file`);
  }
  return problems;
};

/** Protocol code names no clock, no randomness, no waiting and no ambient state. */
const protocolCodeIsPure: Rule = (source) => {
  if (layerOf(source.path)?.pure !== true) return [];
  const { code } = source;
  return code.flatMap((token, index) => {
    if (token.kind !== 'word') return [];
    const before = code[index - 1]?.text;
    if (token.text === 'random' && before === '.' && code[index - 2]?.text === 'Math') {
      return [at(token, 'Math.random: randomness is a seed')];
    }
    const reason = IMPURE_WORDS.get(token.text);
    if (reason === undefined) return [];
    // These are methods of strings and numbers, so a dot before them does not excuse them.
    const isLocaleMethod = /^(locale|toLocale)/.test(token.text);
    const isName = before === '.' || before === '?.' || code[index + 1]?.text === ':';
    return isName && !isLocaleMethod ? [] : [at(token, `${token.text}: ${reason}`)];
  });
};

/** No `any`: neither as a type nor by assertion. A property of that name (`expect.any`) is not meant. */
const noAny: Rule = (source) =>
  source.code.flatMap((token, index, code) => {
    if (token.kind !== 'word' || token.text !== 'any') return [];
    const before = code[index - 1]?.text;
    const after = code[index + 1]?.text;
    return before === '.' || before === '?.' || after === ':' || after === '('
      ? []
      : [at(token, 'any: say what it is')];
  });

/** Comments do not switch the compiler off, say why they switch the linter off, and leave nothing to be done later. */
const commentsHideNothing: Rule = (source) =>
  source.tokens.flatMap((token) => {
    if (token.kind !== 'comment') return [];
    const problems: string[] = [];
    if (/@ts-(ignore|expect-error|nocheck)/.test(token.text)) problems.push(at(token, 'switches the compiler off'));
    if (/(ox|es)lint-disable/.test(token.text) && !/-disable[^\n]* -- \S/.test(token.text)) {
      problems.push(at(token, 'switches the linter off without " -- why"'));
    }
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(token.text)) problems.push(at(token, 'leaves something to be done'));
    return problems;
  });

/**
 * No barrels inside: only src/index.ts passes on what other files export. A file may pass on single names beside exports
 * of its own, where they belong to what it offers.
 */
const noBarrels: Rule = (source) => {
  if (!source.path.startsWith('src/') || source.path === 'src/index.ts') return [];
  const problems = posix.basename(source.path) === 'index.ts' ? ['only src/index.ts is an index'] : [];
  const { code } = source;
  let ownExports = 0;
  const passedOn: Token[] = [];
  for (const [index, token] of code.entries()) {
    if (token.text !== 'export' || token.kind !== 'word') continue;
    let next = index + (code[index + 1]?.text === 'type' ? 2 : 1);
    if (code[next]?.text === '*') {
      problems.push(at(token, 'passes on all of another file: import from that file'));
      continue;
    }
    if (code[next]?.text === '{') while (next < code.length && code[next]?.text !== '}') next++;
    if (code[next + 1]?.text === 'from') passedOn.push(token);
    else ownExports++;
  }
  if (ownExports === 0) problems.push(...passedOn.map((token) => at(token, 'only passes on what others export')));
  return problems;
};

/** Every test runs: none is left alone in focus, none is left out. */
const everyTestRuns: Rule = (source) => {
  if (!source.path.startsWith('test/')) return [];
  return source.code.flatMap((token, index, code) => {
    if (!['only', 'skip', 'todo', 'fails'].includes(token.text) || code[index + 1]?.text !== '(') return [];
    // Back along `it.concurrent.only` to its first word, so that a reader's `skip(4)` is not meant.
    let first = index;
    while (code[first - 1]?.text === '.') first -= 2;
    const isOfTests = first !== index && /^(it|test|describe|suite|context|ctx)$/.test(code[first]?.text ?? '');
    return isOfTests ? [at(token, `.${token.text}( in a test`)] : [];
  });
};

/** Files are nouns in kebab-case. */
const namesAreKebabCase: Rule = (source) => {
  const name = posix.basename(source.path);
  return /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))?\.(ts|js)$/.test(name) ? [] : ['the name is not in kebab-case'];
};

/** The rules of source files, by name. */
export const RULES: Readonly<Record<string, Rule>> = {
  importsGoOneWay,
  packagesAreListed,
  protocolCodeIsPure,
  noAny,
  commentsHideNothing,
  noBarrels,
  everyTestRuns,
  namesAreKebabCase,
};

/** Words that begin what is there at run time; types are part of the signatures that name them. */
const VALUE_WORDS = new Set(['const', 'function', 'class']);

/** The values that a file exports by name; a declaration file says what others export. */
function exportedValues({ path, code }: Source): readonly Token[] {
  if (path.endsWith('.d.ts')) return [];
  return code.flatMap((token, index) => {
    if (token.text !== 'export' || token.kind !== 'word') return [];
    let next = index + 1;
    while (code[next]?.text === 'async' || code[next]?.text === 'abstract') next++;
    if (!VALUE_WORDS.has(code[next]?.text ?? '')) return [];
    const name = code[next + (code[next + 1]?.text === '*' ? 2 : 1)];
    return name === undefined ? [] : [name];
  });
}

/** The names between the braces of the import that ends with this file's name; null where all of it is taken. */
function importedNames(code: readonly Token[], file: Token): readonly string[] | null {
  const end = code.indexOf(file);
  if (code[end - 1]?.text !== 'from') return code[end - 1]?.text === '(' ? null : [];
  const names: string[] = [];
  for (let back = end - 2; back >= 0; back--) {
    const { text } = code[back] as Token;
    if (text === '*') return null;
    if (text === 'import' || text === 'export') break;
    if (text === '{' || text === ',') {
      const isType = code[back + 1]?.text === 'type' && code[back + 2]?.kind === 'word';
      names.push(code[back + (isType ? 2 : 1)]?.text ?? '');
    }
  }
  return names;
}

/** Where exports are read by their names, and by whom. */
const READ_BY_NAME: ReadonlyMap<string, string> = new Map([['test/outside/next-app/', 'Next: pages and routes']]);

/** Every value that is exported is imported somewhere. */
export function unusedExports(sources: readonly Source[]): readonly string[] {
  const used = new Map<string, Set<string>>();
  const whole = new Set<string>();
  for (const source of sources) {
    for (const file of importsOf(source)) {
      const target = posix.normalize(posix.join(posix.dirname(source.path), file.text));
      const names = importedNames(source.code, file);
      if (names === null) whole.add(target);
      used.set(target, new Set([...(used.get(target) ?? []), ...(names ?? [])]));
    }
  }
  return sources.flatMap((source) => {
    const isReadByName = [...READ_BY_NAME.keys()].some((folder) => source.path.startsWith(folder));
    if (whole.has(source.path) || isReadByName) return [];
    const names = exportedValues(source).filter(({ text }) => used.get(source.path)?.has(text) !== true);
    return names.map((token) => `${source.path} ${at(token, `nobody imports ${token.text}`)}`);
  });
}

/** What no text file of the project may hold: traces of the machine it was written on. */
export function machineTraces(text: string): readonly string[] {
  const traces: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const path = /(?<![\w.:/~$}\])*-])\/(?:work|root|farm|Users|mnt|home)\/[\w.-]+/.exec(line);
    if (path !== null && !path[0].startsWith('/home/node'))
      traces.push(`line ${index + 1}: a path of one machine, ${path[0]}`);
    const host =
      /\b(?:registry\.[\w.-]+|[\w.-]*(?:artifactory|verdaccio|nexus|npmmirror)[\w.-]*)\.(?:org|com|net|io|dev|cn|local|internal)\b/i.exec(
        line,
      );
    if (host !== null) traces.push(`line ${index + 1}: a package registry, ${host[0]}`);
  }
  return traces;
}
