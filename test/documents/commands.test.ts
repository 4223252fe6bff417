import { describe, expect, it } from 'vitest';
import { DocumentRegions } from './document-regions.ts';

const regions = new DocumentRegions(['one']);
const run = (...words: string[]): string => regions.run(0, ...words);
const quotedJson = (text: string): string => JSON.stringify(text);

describe('JSON commands', () => {
  it('JSON.SET and JSON.GET: roots, members, conditions, layouts, several paths', () => {
    expect(run('JSON.SET', 'd', '$.a', '1')).toBe('-ERR new objects must be created at the root');
    expect(run('JSON.SET', 'd', '$', '{"a":1,"b":{"c":[1,2]}}', 'XX')).toBe('nil');
    expect(run('JSON.SET', 'd', '$', '{"a":1,"b":{"c":[1,2]}}', 'NX')).toBe('+OK');
    expect(run('JSON.SET', 'd', '.', '{}', 'NX')).toBe('nil');
    expect(run('JSON.GET', 'd')).toBe(quotedJson('{"a":1,"b":{"c":[1,2]}}'));
    expect(run('JSON.GET', 'd', '$')).toBe(quotedJson('[{"a":1,"b":{"c":[1,2]}}]'));
    expect(run('JSON.GET', 'd', '.a', 'b.c')).toBe(quotedJson('{".a":1,"b.c":[1,2]}'));
    expect(run('JSON.GET', 'd', '.a', '$.b.c[*]')).toBe(quotedJson('{".a":[1],"$.b.c[*]":[1,2]}'));
    expect(run('JSON.GET', 'd', 'INDENT', '-', 'NEWLINE', '|', 'SPACE', ' ', '.b')).toBe(
      quotedJson('{|-"c": [|--1,|--2|-]|}'),
    );
    expect(run('JSON.GET', 'd', '.x')).toBe("-ERR Path '$.x' does not exist");
    expect(run('JSON.GET', 'd', '$.x')).toBe(quotedJson('[]'));
    expect(run('JSON.GET', 'none')).toBe('nil');
    expect(run('JSON.SET', 'd', '$.n', '"new"', 'XX')).toBe('nil');
    expect(run('JSON.SET', 'd', '$.n', '"new"', 'NX')).toBe('+OK');
    expect(run('JSON.SET', 'd', '$.n', '"newer"', 'NX')).toBe('nil');
    expect(run('JSON.SET', 'd', '$.b.c[1]', 'null')).toBe('+OK');
    expect(run('JSON.SET', 'd', '$.b.c[2]', '3')).toBe('-ERR array index out of range');
    expect(run('JSON.SET', 'd', '$..none', '3')).toBe('-ERR wrong static path');
    expect(run('JSON.SET', 'd', '$.n.under', '3')).toBe('nil');
    expect(run('JSON.SET', 'd', '$.a', '{bad')).toMatch(/^-ERR expected JSON/);
    expect(run('JSON.SET', 'd', '$[?(1)]', '1')).toMatch(/^-ERR filters/);
    expect(run('JSON.GET', 'd')).toBe(quotedJson('{"a":1,"b":{"c":[1,null]},"n":"new"}'));
    expect(run('SET', 's', 'string')).toBe('+OK');
    expect(run('JSON.GET', 's')).toMatch(/^-WRONGTYPE/);
    expect(run('JSON.SET', 's', '$', '1')).toMatch(/^-WRONGTYPE/);
    expect(run('GET', 'd')).toMatch(/^-WRONGTYPE/);
  });

  it('text in UTF-8, halves of characters and names that mean something elsewhere', () => {
    run('JSON.SET', 'u', '$', '{"ключ":"é😀","__proto__":{"a":1},"constructor":2}');
    expect(run('JSON.GET', 'u', '$.ключ')).toContain('\\xc3\\xa9');
    expect(run('JSON.SET', 'u', '$["__proto__"].b', '2')).toBe('+OK');
    expect(run('JSON.GET', 'u', '.__proto__')).toBe(quotedJson('{"a":1,"b":2}'));
    run('JSON.SET', 'u', '$.half', '"\\ud83d"');
    expect(run('JSON.GET', 'u', '.half')).toContain('\\xef\\xbf\\xbd');
    expect(run('JSON.STRLEN', 'u', '$.ключ')).toBe('[:6]');
  });

  it('JSON.MGET, JSON.TYPE', () => {
    run('JSON.SET', 'm1', '$', '{"a":1}');
    run('JSON.SET', 'm2', '$', '{"a":[1.5,true,null,"s",{}]}');
    expect(run('JSON.MGET', 'm1', 'm2', 'none', 's', '$.a')).toBe('["[1]" "[[1.5,true,null,\\"s\\",{}]]" nil nil]');
    expect(run('JSON.MGET', 'm1', 'm2', '.a[0]')).toBe('[nil "1.5"]');
    expect(run('JSON.TYPE', 'm2', '$.a[*]')).toBe('["number" "boolean" "null" "string" "object"]');
    expect(run('JSON.TYPE', 'm1')).toBe('"object"');
    expect(run('JSON.TYPE', 'm1', '.a')).toBe('"integer"');
    expect(run('JSON.TYPE', 'm2', 'a')).toBe('"array"');
    expect(run('JSON.TYPE', 'm1', '.none')).toBe('nil');
    expect(run('JSON.TYPE', 'none', '$')).toBe('nil');
  });

  it('JSON.DEL and JSON.FORGET', () => {
    run('JSON.SET', 'x', '$', '{"a":[0,1,2,3,4],"b":{"a":1,"c":{"a":2}}}');
    expect(run('JSON.DEL', 'x', '$.a[0,2,-1]')).toBe(':3');
    expect(run('JSON.GET', 'x', '.a')).toBe('"[1,3]"');
    expect(run('JSON.FORGET', 'x', '$..a')).toBe(':3');
    expect(run('JSON.GET', 'x')).toBe(quotedJson('{"b":{"c":{}}}'));
    expect(run('JSON.DEL', 'x', '$.none')).toBe(':0');
    expect(run('JSON.DEL', 'x')).toBe(':1');
    expect(run('EXISTS', 'x')).toBe(':0');
    expect(run('JSON.DEL', 'x')).toBe(':0');
  });

  it('numbers and strings', () => {
    run('JSON.SET', 'n', '$', '{"a":1,"b":"s","c":{"a":2.5}}');
    expect(run('JSON.NUMINCRBY', 'n', '$..a', '2')).toBe('"[3,4.5]"');
    expect(run('JSON.NUMINCRBY', 'n', '$.b', '2')).toBe('"[null]"');
    expect(run('JSON.NUMINCRBY', 'n', '.a', '0.5')).toBe('"3.5"');
    expect(run('JSON.NUMINCRBY', 'n', '.b', '1')).toBe("-ERR Path '$.b' does not exist or not a number");
    expect(run('JSON.NUMINCRBY', 'n', '$.a', '"1"')).toBe('-ERR expected a number');
    expect(run('JSON.NUMINCRBY', 'none', '$.a', '1')).toBe(
      "-ERR could not perform this operation on a key that doesn't exist",
    );
    expect(run('JSON.STRAPPEND', 'n', '$.b', '"é"')).toBe('[:3]');
    expect(run('JSON.STRAPPEND', 'n', '.b', '"x"')).toBe(':4');
    expect(run('JSON.STRAPPEND', 'n', '$.a', '"x"')).toBe('[nil]');
    run('JSON.SET', 'root', '$', '"r"');
    expect(run('JSON.STRAPPEND', 'root', '"oot"')).toBe(':4');
    expect(run('JSON.STRLEN', 'root')).toBe(':4');
    expect(run('JSON.GET', 'root')).toBe(quotedJson('"root"'));
  });

  it('arrays', () => {
    run('JSON.SET', 'r', '$', '{"a":[1],"b":[],"c":"x"}');
    expect(run('JSON.ARRAPPEND', 'r', '$.*', '2', '{"d":[]}')).toBe('[:3 :2 nil]');
    expect(run('JSON.ARRAPPEND', 'r', '.a', '4')).toBe(':4');
    expect(run('JSON.ARRAPPEND', 'r', '.c', '4')).toBe("-ERR Path '$.c' does not exist or not an array");
    expect(run('JSON.ARRINSERT', 'r', '$.a', '0', '0')).toBe('[:5]');
    expect(run('JSON.ARRINSERT', 'r', '$.a', '-1', '3')).toBe('[:6]');
    expect(run('JSON.ARRINSERT', 'r', '$.a', '7', '3')).toBe('-ERR index out of bounds');
    expect(run('JSON.GET', 'r', '.a')).toBe(quotedJson('[0,1,2,{"d":[]},3,4]'));
    expect(run('JSON.ARRPOP', 'r', '$.a')).toBe('["4"]');
    expect(run('JSON.ARRPOP', 'r', '.a', '0')).toBe('"0"');
    expect(run('JSON.ARRPOP', 'r', '$.*', '-100')).toBe('["1" "2" nil]');
    expect(run('JSON.ARRPOP', 'r', '.b')).toBe(quotedJson('{"d":[]}'));
    expect(run('JSON.ARRPOP', 'r', '.b')).toBe('nil');
    expect(run('JSON.ARRLEN', 'r', '$.*')).toBe('[:3 :0 nil]');
    expect(run('JSON.ARRLEN', 'r', '.a')).toBe(':3');
    expect(run('JSON.ARRLEN', 'none')).toBe('nil');
    expect(run('JSON.ARRLEN', 'none', '$')).toBe("-ERR could not perform this operation on a key that doesn't exist");
  });

  it('objects and merging', () => {
    run('JSON.SET', 'o', '$', '{"b":1,"a":{"x":1,"y":{"z":1}},"2":[1]}');
    expect(run('JSON.OBJKEYS', 'o')).toBe('["2" "b" "a"]');
    expect(run('JSON.OBJKEYS', 'o', '$.*')).toBe('[nil nil ["x" "y"]]');
    expect(run('JSON.OBJLEN', 'o', '$.a')).toBe('[:2]');
    expect(run('JSON.OBJLEN', 'o', '.b')).toBe("-ERR Path '$.b' does not exist or not an object");
    expect(run('JSON.MERGE', 'o', '$.a', '{"x":null,"y":{"w":2},"n":{"keep":1,"drop":null}}')).toBe('+OK');
    expect(run('JSON.GET', 'o', '.a')).toBe(quotedJson('{"y":{"z":1,"w":2},"n":{"keep":1}}'));
    expect(run('JSON.MERGE', 'o', '$.2', '{"now":"an object"}')).toBe('+OK');
    expect(run('JSON.MERGE', 'o', '$.b', 'null')).toBe('+OK');
    expect(run('JSON.MERGE', 'o', '$.fresh', '[null]')).toBe('+OK');
    expect(run('JSON.GET', 'o', '$.*')).toBe(
      quotedJson('[{"now":"an object"},{"y":{"z":1,"w":2},"n":{"keep":1}},[null]]'),
    );
    expect(run('JSON.MERGE', 'made', '$', '{"a":{"b":null,"c":1}}')).toBe('+OK');
    expect(run('JSON.GET', 'made')).toBe(quotedJson('{"a":{"c":1}}'));
    expect(run('JSON.MERGE', 'made', '$', '7')).toBe('+OK');
    expect(run('JSON.GET', 'made')).toBe('"7"');
  });

  it('limits of depth are kept by values, by places and by both together', () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(run('JSON.SET', 'deep', '$', nested(129))).toMatch(/^-ERR expected JSON/);
    expect(run('JSON.SET', 'deep', '$', nested(100))).toBe('+OK');
    expect(run('JSON.ARRAPPEND', 'deep', `$${'[0]'.repeat(99)}`, nested(28))).toBe('[:1]');
    expect(run('JSON.ARRAPPEND', 'deep', `$${'[0]'.repeat(99)}`, nested(29))).toMatch(/nested too deep/);
  });
});

describe('what works on any key works on documents', () => {
  it('TYPE, SCAN, OBJECT, MEMORY, EXPIRE, TTL kept by JSON.SET of the root', () => {
    run('JSON.SET', 'k', '$', '{"a":1}');
    expect(run('TYPE', 'k')).toBe('+ReJSON-RL');
    expect(run('SCAN', '0', 'MATCH', 'k', 'TYPE', 'rejson-rl', 'COUNT', '1000')).toBe('["0" ["k"]]');
    expect(run('OBJECT', 'ENCODING', 'k')).toBe('"raw"');
    expect(run('MEMORY', 'USAGE', 'k')).toMatch(/^:\d+$/);
    expect(run('EXPIRE', 'k', '100')).toBe(':1');
    run('JSON.SET', 'k', '$', '{"b":1}');
    run('JSON.SET', 'k', '$.c', '1');
    expect(Number(run('TTL', 'k').slice(1))).toBeGreaterThan(90);
    expect(run('PERSIST', 'k')).toBe(':1');
    expect(run('TTL', 'k')).toBe(':-1');
  });

  it('an expired document is gone, and a new one starts anew', () => {
    run('JSON.SET', 'e', '$', '{"old":1}');
    run('PEXPIRE', 'e', '20');
    regions.cluster.run(30);
    expect(run('JSON.GET', 'e')).toBe('nil');
    expect(run('JSON.SET', 'e', '$.new', '1')).toMatch(/root$/);
    run('JSON.SET', 'e', '$', '{"new":1}');
    expect(run('JSON.GET', 'e')).toBe(quotedJson('{"new":1}'));
    expect(run('TTL', 'e')).toBe(':-1');
  });

  it('RENAME, COPY, DEL, SET over it, MULTI-key reads of other types', () => {
    run('JSON.SET', 'k1', '$', '{"a":[1,{"b":2}]}');
    run('EXPIRE', 'k1', '1000');
    expect(run('COPY', 'k1', 'k2')).toBe(':1');
    run('JSON.ARRAPPEND', 'k1', '$.a', '3');
    expect(run('RENAME', 'k1', 'k3')).toBe('+OK');
    expect(run('JSON.GET', 'k2')).toBe(quotedJson('{"a":[1,{"b":2}]}'));
    expect(run('JSON.GET', 'k3')).toBe(quotedJson('{"a":[1,{"b":2},3]}'));
    expect(Number(run('TTL', 'k3').slice(1))).toBeGreaterThan(900);
    expect(run('EXISTS', 'k1')).toBe(':0');
    expect(run('COPY', 'k3', 'k2', 'REPLACE')).toBe(':1');
    expect(run('DEL', 'k2', 'k3')).toBe(':2');
    expect(run('JSON.GET', 'k2')).toBe('nil');
    run('JSON.SET', 'k4', '$', '1');
    expect(run('SET', 'k4', 'text')).toBe('+OK');
    expect(run('GET', 'k4')).toBe('"text"');
    expect(run('MGET', 'k4', 'd')).toBe('["text" nil]');
  });

  it('CW.EXPLAIN tells root, generation, history and rule', () => {
    run('JSON.SET', 'why', '$', '{"a":1}');
    run('JSON.SET', 'why', '$.a', '2');
    const told = run('CW.EXPLAIN', 'why');
    for (const word of ['ReJSON-RL', 'generation', 'latest edit', 'history', 'document: edits of different members'])
      expect(told).toContain(word);
  });
});
