import { describe, expect, it } from 'vitest';
import { JsonPath, PathError, PATH_STEPS_MAX } from '../../src/crdt/json-path.ts';
import { formatJson } from '../../src/crdt/document-json.ts';
import { SharedDocument } from '../../src/crdt/document.ts';
import { json } from './document-orders.ts';

const STORE = '{"a":{"b":[10,20,{"c":30}],"x y":1,"$":2},"b":{"b":null},"list":[0,1,2,3,4]}';

function found(path: string, text = STORE): string[] {
  const { root } = SharedDocument.fromJson(json(text));
  return JsonPath.parse(path)
    .select(root)
    .map(({ place, node }) => `${place.join('/')}=${formatJson(node.toJson())}`);
}

describe('JSONPath', () => {
  it.each([
    ['$', [`=${STORE}`]],
    ['$.a.b[0]', ['a/b/0=10']],
    ['$.a.b[-1].c', ['a/b/2/c=30']],
    ['$["a"][\'x y\']', ['a/x y=1']],
    ['$.a.$', ['a/$=2']],
    ['$.list[1:3]', ['list/1=1', 'list/2=2']],
    ['$.list[-2:]', ['list/3=3', 'list/4=4']],
    ['$.list[::2]', ['list/0=0', 'list/2=2', 'list/4=4']],
    ['$.list[:2]', ['list/0=0', 'list/1=1']],
    ['$.list[0, 4,-1]', ['list/0=0', 'list/4=4']],
    ['$.a["x y","$"]', ['a/x y=1', 'a/$=2']],
    ['$.a.b[*]', ['a/b/0=10', 'a/b/1=20', 'a/b/2={"c":30}']],
    ['$.*.b', ['a/b=[10,20,{"c":30}]', 'b/b=null']],
    ['$..b', ['b={"b":null}', 'a/b=[10,20,{"c":30}]', 'b/b=null']],
    ['$..b[0]', ['a/b/0=10']],
    ['$.list[5]', []],
    ['$.list.x', []],
    ['$.nothing.at.all', []],
    ['.a.b[0]', ['a/b/0=10']],
    ['a.b[0]', ['a/b/0=10']],
    ['["a"]["x y"]', ['a/x y=1']],
    ['.', [`=${STORE}`]],
  ])('%s', (path, places) => {
    expect(found(path).sort()).toEqual([...places].sort());
  });

  it.each([
    '',
    '$.',
    '$x.[',
    '$..',
    '$[',
    '$[]',
    '$[1',
    '$["a]',
    '$[?(@.a>1)]',
    '$.a..',
    '$[1:2:0]',
    '$[--1]',
    '$[a]',
    '\xff',
    'a b',
  ])('refuses %j', (path) => {
    expect(() => JsonPath.parse(path)).toThrow(PathError);
  });

  it('tells legacy paths from others', () => {
    const kinds = ['$', '$.a', '$[0]', '.', 'a', '$a', '.$'].map((path) => JsonPath.parse(path).isLegacy);
    expect(kinds).toEqual([false, false, false, true, true, true, true]);
    expect(JsonPath.parse('a.b').dollarText).toBe('$.a.b');
  });

  it('reads a path of any length in a time that grows with it, and refuses too many steps', () => {
    expect(() => JsonPath.parse(`$${'.a'.repeat(PATH_STEPS_MAX + 1)}`)).toThrow(/at most/);
    expect(() => JsonPath.parse(`$${'['.repeat(60_000)}`)).toThrow(PathError);
    expect(() => JsonPath.parse('$'.padEnd(70_000, '.a'))).toThrow(/too long/);
  });

  it('stops at a limit of visits where descent multiplies', () => {
    const deep = `${'{"a":'.repeat(100)}[${'0,'.repeat(20_000)}0]${'}'.repeat(100)}`;
    expect(() => found('$..*..*', deep)).toThrow(/visits more/);
  });
});
