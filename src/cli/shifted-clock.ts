/**
 * Loaded before everything else into a node that `up` starts with another time than the machine's (`child-conditions.ts`): the wall clock
 * is ahead by what the query of this file's URL says. Nothing imports it and no option or variable of a node leads here.
 */
const aheadMs = Number(new URL(import.meta.url).searchParams.get('ahead-ms'));
const machineNow = Date.now.bind(Date);
Date.now = () => machineNow() + aheadMs;
