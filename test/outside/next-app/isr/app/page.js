import { createElement } from 'react';

export const revalidate = 3600;

/** How often the origin was asked, as of when this page was made. */
export default async function Page() {
  const answer = await fetch(process.env.ORIGIN, { next: { tags: ['quotes'], revalidate: 3600 } });
  return createElement('p', null, `asked ${await answer.text()} made ${Math.random()}`);
}
