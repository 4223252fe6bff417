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
    what: 'an alias that contains itself',
    text: 'classes: &a [*a]\n',
    says: ['f.yaml:1:14: classes[0]: expected a class with a match, got an alias that contains itself'],
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
    says: ['f.yaml:3:5: classes[0]: unknown key "expires"; a class has match, consistency, ttl, conflict'],
  },
  {
    what: 'a pattern that is no list',
    text: 'classes:\n  - match: quote:*\n',
    says: ['f.yaml:2:5: classes[0].match: expected a list of patterns, such as ["quote:*"], got "quote:*"'],
  },
  {
    what: 'bounds of a ttl that are none',
    text: 'classes:\n  - match: ["a:*"]\n    ttl: { adaptive: { min: 1h, max: 5m } }\n  - match: ["b:*"]\n    ttl: { adaptive: { min: 1s } }\n  - match: ["c:*"]\n    ttl: { follows: 5m }\n',
    says: [
      'f.yaml:3:12: classes[0].ttl.adaptive: expected "min" to be no longer than "max"',
      'f.yaml:5:12: classes[1].ttl.adaptive.max: expected a duration with its unit',
      'f.yaml:7:5: classes[2].ttl: unknown key "follows"; a ttl that is no duration has adaptive',
    ],
  },
  {
    what: 'an adaptive ttl of strong keys, and one below what a source is asked ahead',
    text: 'classes:\n  - match: ["a:*"]\n    consistency: strong\n    home: us-east-1\n    ttl: { adaptive: { min: 1s, max: 5m } }\n  - match: ["b:*"]\n    ttl: { adaptive: { min: 1s, max: 5m } }\n    source: { url: "http://s/{key}", ttl: 10s, ahead: 2s }\n',
    says: [
      'f.yaml:5:5: classes[0].ttl: the ttl of strong keys is one duration',
      'f.yaml:8:48: classes[1].source.ahead: expected "ahead" to be shorter than the shortest ttl',
    ],
  },
  {
    what: 'an eviction that is none',
    text: 'classes:\n  - match: ["a:*"]\n    evict: { priority: last, max: 5, from: now }\n',
    says: [
      'f.yaml:3:14: classes[0].evict.priority: expected one of low, normal, high, never, got "last"',
      'f.yaml:3:30: classes[0].evict.max: expected a size of 64kb or more, such as 256mb, got 5',
      'f.yaml:3:38: classes[0].evict: unknown key "from"; evict has priority, to and max',
    ],
  },
  {
    what: 'an eviction to nothing of keys that others have too',
    text: 'classes:\n  - match: ["a:*"]\n    evict: { to: nothing }\n',
    says: ['f.yaml:3:5: classes[0].evict: only weak keys are evicted to nothing'],
  },
  {
    what: 'a limit of what is never evicted',
    text: 'classes:\n  - match: ["b:*"]\n    evict: { priority: never, max: 1mb }\n',
    says: ['f.yaml:3:5: classes[0].evict: what is never evicted has neither "max" nor "to"'],
  },
  {
    what: 'an eviction to disk of keys that are never there',
    text: 'classes:\n  - match: ["a:*"]\n    consistency: weak\n    evict: { max: 1mb }\n',
    says: ['f.yaml:4:5: classes[0].evict: weak keys are on no disk'],
  },
  {
    what: 'a strong class with an eviction',
    text: 'classes:\n  - match: ["a:*"]\n    consistency: strong\n    home: us-east-1\n    evict: { priority: low }\n',
    says: ['f.yaml:5:5: classes[0].evict: strong keys are never evicted'],
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
    what: 'a priority of regions that names one twice',
    text: 'classes:\n  - match: ["a:*"]\n    conflict: { region-priority: [us-east-1, us-east-1] }\n',
    says: [
      'f.yaml:3:17: classes[0].conflict.region-priority: expected a list of regions, the one that wins first, each once, such as [us-east-1, eu-west-1], got ["us-east-1","us-east-1"]',
    ],
  },
  {
    what: 'a resolver and a priority of regions',
    text: 'classes:\n  - match: ["a:*"]\n    conflict: { resolver: max, region-priority: [us-east-1] }\n',
    says: [
      'f.yaml:3:5: classes[0].conflict: expected lww, siblings, { resolver: name } or { region-priority: [regions] }',
    ],
  },
  {
    what: 'a hook that is no address',
    text: 'classes:\n  - match: ["a:*"]\n    compensate: { url: "ftp://host/" }\n',
    says: [
      'f.yaml:3:19: classes[0].compensate.url: expected an address such as https://orders.internal/lost, got "ftp://host/"',
    ],
  },
  {
    what: 'a hook that is both an address and a module',
    text: 'classes:\n  - match: ["a:*"]\n    compensate: { url: "https://host/", module: ./lost.js }\n',
    says: ['f.yaml:3:5: classes[0].compensate: expected one of url and module'],
  },
  {
    what: 'a hook of strong and weak keys',
    text: 'classes:\n  - match: ["a:*"]\n    consistency: weak\n    compensate: { url: "https://host/" }\n  - match: ["b:*"]\n    consistency: strong\n    home: us-east-1\n    compensate: { url: "https://host/" }\n',
    says: [
      'f.yaml:4:5: classes[0].compensate: weak keys never leave their node, so no write of them is lost',
      'f.yaml:8:5: classes[1].compensate: writes of strong keys have one order, so none of them is lost to another',
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
    says: [
      'f.yaml:3:5: classes[0].conflict: expected lww, siblings, { resolver: name } or { region-priority: [regions] }, got "first"',
    ],
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
