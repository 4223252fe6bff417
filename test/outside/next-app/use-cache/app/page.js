import { createElement } from 'react';
import { cacheLife, cacheTag } from 'next/cache';
import { connection } from 'next/server';
import { Suspense } from 'react';

async function quotes() {
  'use cache';
  cacheLife('hours');
  cacheTag('quotes');
  const answer = await fetch(process.env.ORIGIN);
  return `asked ${await answer.text()} made ${Math.random()}`;
}

async function Quotes() {
  // made for each request, but for what is cached
  await connection();
  return createElement('p', null, await quotes());
}

export default function Page() {
  return createElement(Suspense, { fallback: 'wait' }, createElement(Quotes));
}
