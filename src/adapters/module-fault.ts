/** A module that cannot be used, for people; with the line where it is known. */
export class ModuleFault extends Error {
  readonly line: number | null;

  constructor(message: string, line: number | null) {
    super(message);
    this.name = 'ModuleFault';
    this.line = line;
  }
}
