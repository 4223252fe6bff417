import { collectDefaultMetrics, Registry, type Gauge } from 'prom-client';

/** One line of a metric: its labels and its value. `suffix` is `_bucket`, `_sum` or `_count` of a histogram. */
export interface MetricSample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  readonly suffix?: string;
}

/** A metric whose samples are read from a snapshot `S` when somebody asks for them. */
export interface MetricRow<S> {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly read: (snapshot: S) => Iterable<MetricSample>;
}

/** How often the delay of the event loop is looked at; each look wakes the process. */
const EVENT_LOOP_LOOK_MS = 20;

/**
 * Metrics in the text format of Prometheus: those of the table, all read from one snapshot, and the process's own as
 * prom-client defines them (memory, processor time, delay of the event loop, garbage collection).
 */
export class PromMetrics<S> {
  readonly #registry = new Registry();
  readonly #takeSnapshot: () => S;
  #snapshot: S | null = null;

  constructor(rows: readonly MetricRow<S>[], takeSnapshot: () => S) {
    this.#takeSnapshot = takeSnapshot;
    for (const row of rows) this.#register(row);
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS });
  }

  /** The media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics now. */
  text(): Promise<string> {
    this.#snapshot = this.#takeSnapshot();
    return this.#registry.metrics();
  }

  #register(row: MetricRow<S>): void {
    const { name, type, help } = row;
    const metric = { name, get: () => Promise.resolve({ name, type, help, values: this.#valuesOf(row) }) };
    // The registry asks a metric for its name and for `get`, and nothing else. The classes of prom-client that have them
    // count by themselves; here others have counted.
    this.#registry.registerMetric(metric as unknown as Gauge);
  }

  #valuesOf(row: MetricRow<S>): RegistryValue[] {
    const snapshot = this.#snapshot ?? this.#takeSnapshot();
    return Array.from(row.read(snapshot), ({ labels, value, suffix }) => ({
      value,
      labels: { ...labels },
      metricName: row.name + (suffix ?? ''),
    }));
  }
}

/** A value as the registry prints it. */
interface RegistryValue {
  readonly value: number;
  readonly labels: Record<string, string>;
  readonly metricName: string;
}
