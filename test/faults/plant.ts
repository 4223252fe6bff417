/** `node --import ./test/faults/plant.ts …` with `CAUSEWAY_FAULT=ID` runs a program with that fault in it. */
import { plant } from './planting.ts';

const id = process.env['CAUSEWAY_FAULT'];
if (id !== undefined) plant(id);
