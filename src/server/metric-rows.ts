import type { MetricRow, MetricSample } from '../adapters/prom-metrics.ts';

type Labels = Readonly<Record<string, string>>;

/** Makes the rows of what a snapshot has one or many of, as peers and classes: a sample for each, with its labels. */
export class MetricRows<S, T> {
  readonly #listed: (snapshot: S) => Iterable<T>;
  readonly #labelsOf: (each: T) => Labels;

  constructor(listed: (snapshot: S) => Iterable<T>, labelsOf: (each: T) => Labels = () => ({})) {
    this.#listed = listed;
    this.#labelsOf = labelsOf;
  }

  /** What is not known of one, null, is left out. */
  gauge(name: string, help: string, value: (each: T) => number | null): MetricRow<S> {
    return this.#valued('gauge', name, help, value);
  }

  counter(name: string, help: string, value: (each: T) => number | null): MetricRow<S> {
    return this.#valued('counter', name, help, value);
  }

  /** Samples with labels of their own beside those of the one that they are of. */
  samples(
    type: MetricRow<S>['type'],
    name: string,
    help: string,
    read: (each: T, labels: Labels) => Iterable<MetricSample>,
  ): MetricRow<S> {
    return {
      name,
      type,
      help,
      read: (snapshot) => Array.from(this.#listed(snapshot), (each) => [...read(each, this.#labelsOf(each))]).flat(),
    };
  }

  #valued(type: 'gauge' | 'counter', name: string, help: string, value: (each: T) => number | null): MetricRow<S> {
    return this.samples(type, name, help, (each, labels) => {
      const known = value(each);
      return known === null ? [] : [{ labels, value: known }];
    });
  }
}
