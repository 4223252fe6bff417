/** Classes files that are refused, each with what must be said of it. */
export const BROKEN_FILES: readonly {
  readonly what: string;
  readonly text: string;
  readonly says: readonly string[];
}[] = [
  {
    what: 'an empty file',
    text: '',
    says: ['f.yaml:1:1: expected "classes:" with a list below it, got nothing'],
  },
  {
    what: 'YAML that does not close its list',
    text: 'classes:\n  - match: ["a:*"\n    ttl: 5m\n',
    says: ['f.yaml:3:5: '],
  },
  {
    what: 'a star without quotes',
    text: 'classes:\n  - match: [*]\n',
    says: ['f.yaml:2:13: ', 'a pattern that begins with * is written in quotes'],
  },
  {
    what: 'an unknown key at the top',
    text: 'defaults: {}\nclasses: []\n',
    says: ['f.yaml:1:1: unknown key "defaults"; the file has classes'],
  },
  {
    what: 'an unknown key of a class',
    text: 'classes:\n  - match: ["a:*"]\n    expires: 5m\n',
    says: ['f.yaml:3:5: classes[0]: unknown key "expires"; a class has match, consistency, ttl and conflict'],
  },
  {
    what: 'a pattern that is no list',
    text: 'classes:\n  - match: quote:*\n',
    says: ['f.yaml:2:5: classes[0].match: expected a list of patterns, such as ["quote:*"], got "quote:*"'],
  },
  {
    what: 'a class without patterns',
    text: 'classes:\n  - match: []\n',
    says: ['f.yaml:2:5: classes[0].match: expected at least one pattern'],
  },
  {
    what: 'strong keys without a home, and what others have not',
    text: 'classes:\n  - match: ["position:*"]\n    consistency: strong\n    conflict: lww\n  - match: ["quote:*"]\n    home: us-east-1\n    survive: region\n    audit: true\n',
    says: [
      'f.yaml:2:5: classes[0].home: strong keys have a home: a region such as us-east-1',
      'f.yaml:4:5: classes[0].conflict: writes of strong keys have one order, so they have no conflicts',
      'f.yaml:6:5: classes[1].home: "home" belongs to classes of consistency strong',
      'f.yaml:7:5: classes[1].survive: "survive" belongs to classes of consistency strong',
      'f.yaml:8:5: classes[1].audit: "audit" belongs to classes of consistency strong',
    ],
  },
  {
    what: 'a level that is none',
    text: 'classes:\n  - match: ["a:*"]\n    consistency: linear\n',
    says: ['f.yaml:3:5: classes[0].consistency: expected one of strong, session, causal, eventual, weak, got "linear"'],
  },
  {
    what: 'a ttl without a unit',
    text: 'classes:\n  - match: ["a:*"]\n    ttl: 300\n',
    says: [
      'f.yaml:3:5: classes[0].ttl: expected a duration with its unit (ms, s, m, h or d), such as 90s, 5m or 12h, got 300',
    ],
  },
  {
    what: 'a ttl of nothing, and one of centuries',
    text: 'classes:\n  - match: ["a:*"]\n    ttl: 0s\n  - match: ["b:*"]\n    ttl: 99999d\n',
    says: [
      'f.yaml:3:5: classes[0].ttl: expected 1ms to 3650d, got "0s"',
      'f.yaml:5:5: classes[1].ttl: expected 1ms to 3650d, got "99999d"',
    ],
  },
  {
    what: 'a resolver that nobody has',
    text: 'classes:\n  - match: ["a:*"]\n    conflict: { resolver: latest }\n',
    says: [
      'f.yaml:3:17: classes[0].conflict.resolver: expected a resolver: one of newest-by-field, max, min, union, or a module such as ./merge-quotes.js, got "latest"',
    ],
  },
  {
    what: 'a resolver module outside of the folder',
    text: 'classes:\n  - match: ["a:*"]\n    conflict: { resolver: ./../../etc/merge.js }\n',
    says: ['f.yaml:3:17: classes[0].conflict.resolver: expected a resolver'],
  },
  {
    what: 'more resolver modules than may be',
    text: `classes:\n${Array.from({ length: 9 }, (_, at) => `  - match: ["${at}:*"]\n    conflict: { resolver: ./${at}.js }\n`).join('')}`,
    says: ['f.yaml:19:5: classes[8].conflict: expected at most 8 resolver modules in all'],
  },
  {
    what: 'a rule that is none',
    text: 'classes:\n  - match: ["a:*"]\n    conflict: first\n',
    says: ['f.yaml:3:5: classes[0].conflict: expected lww, siblings or { resolver: name }, got "first"'],
  },
  {
    what: 'conflicts of keys that have one writer',
    text: 'classes:\n  - match: ["a:*"]\n    consistency: weak\n    conflict: siblings\n',
    says: ['f.yaml:4:5: classes[0].conflict: weak keys never leave their node, so they have no conflicts'],
  },
  {
    what: 'a pattern twice',
    text: 'classes:\n  - match: ["a:*"]\n  - match: ["b:*", "a:*"]\n',
    says: ['f.yaml:3:20: classes[1].match[1]: the pattern "a:*" is already there, as "a:*" of classes[0].match[0]'],
  },
  {
    what: 'patterns that do not end',
    text: 'classes:\n  - match: ["a[b", "c\\\\", ""]\n',
    says: [
      'f.yaml:2:13: classes[0].match[0]: the pattern "a[b" has a "[" without its "]"',
      'f.yaml:2:20: classes[0].match[1]: the pattern "c\\\\" ends with a backslash that has nothing to quote',
      'f.yaml:2:27: classes[0].match[2]: expected a pattern such as "quote:*", got an empty text',
    ],
  },
];
