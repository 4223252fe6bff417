import { SyntaxKind } from 'typescript/unstable/ast';
import { createScanner } from 'typescript/unstable/ast/scanner';

/** One token of a source file. White space is left out; comments are kept. */
export interface Token {
  /** `word` is an identifier or a keyword, `mark` is punctuation, `other` is a number, a regular expression or a template. */
  readonly kind: 'word' | 'string' | 'comment' | 'mark' | 'other';
  /** As written; for a string its value. */
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * The tokens of TypeScript source text, by the compiler's own scanner. A scanner alone cannot tell a division from a
 * regular expression, nor a closing brace from the end of a template's hole; the token before and a stack of open braces
 * decide.
 */
export function scanSource(text: string): readonly Token[] {
  const scanner = createScanner(false);
  scanner.setText(text);
  const tokens: Token[] = [];
  // One entry an open brace: whether it opened a hole of a template.
  const braces: boolean[] = [];
  let line = 1;
  let countedTo = 0;
  let before: Token | undefined;

  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFile; kind = scanner.scan()) {
    if (kind === SyntaxKind.WhitespaceTrivia || kind === SyntaxKind.NewLineTrivia) continue;
    if (kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) {
      if (!endsAnExpression(before)) kind = scanner.reScanSlashToken();
    } else if (kind === SyntaxKind.OpenBraceToken) {
      braces.push(false);
    } else if (kind === SyntaxKind.CloseBraceToken) {
      if (braces.pop() === true) kind = scanner.reScanTemplateToken(false);
    }
    if (kind === SyntaxKind.TemplateHead || kind === SyntaxKind.TemplateMiddle) braces.push(true);

    const start = scanner.getTokenStart();
    for (; countedTo < start; countedTo++) if (text.charCodeAt(countedTo) === 10) line++;
    const token: Token = { kind: kindOf(kind), text: textOf(kind, scanner), line };
    tokens.push(token);
    if (token.kind !== 'comment') before = token;
  }
  return tokens;
}

function textOf(kind: SyntaxKind, scanner: ReturnType<typeof createScanner>): string {
  return kind === SyntaxKind.StringLiteral ? scanner.getTokenValue() : scanner.getTokenText();
}

function kindOf(kind: SyntaxKind): Token['kind'] {
  switch (kind) {
    case SyntaxKind.SingleLineCommentTrivia:
    case SyntaxKind.MultiLineCommentTrivia:
      return 'comment';
    case SyntaxKind.StringLiteral:
    case SyntaxKind.NoSubstitutionTemplateLiteral:
      return 'string';
    case SyntaxKind.Identifier:
      return 'word';
    default:
      if (kind >= SyntaxKind.FirstKeyword && kind <= SyntaxKind.LastKeyword) return 'word';
      if (kind >= SyntaxKind.FirstPunctuation && kind <= SyntaxKind.LastPunctuation) return 'mark';
      return 'other';
  }
}

const WORDS_BEFORE_AN_EXPRESSION: ReadonlySet<string> = new Set(
  'return case typeof instanceof in of new delete void throw else do yield await'.split(' '),
);

function endsAnExpression(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === 'word') return !WORDS_BEFORE_AN_EXPRESSION.has(token.text);
  if (token.kind === 'mark') return token.text === ')' || token.text === ']' || token.text === '}';
  return true;
}
