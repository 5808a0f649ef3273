// What a benchmark is and what it says: the contract between suites and bench/main.ts.

/** One measured figure beside the baseline that was measured in the same run. Larger is better. */
export interface Row {
  /** Such as `crc32c/65536`. */
  readonly name: string;
  /** Such as `GB/s`. */
  readonly unit: string;
  readonly value: number;
  /** What `baselineValue` belongs to. */
  readonly baseline: string;
  readonly baselineValue: number;
  /** value / baselineValue. */
  readonly ratio: number;
  /** A hash of the result that both sides gave, printed and not stored. */
  readonly check?: string;
}

export interface BenchmarkContext {
  /** Only rows whose name contains this are measured. Empty: all. */
  readonly filter: string;
  /** Whether to run just long enough to see that everything works, as the tests do. */
  readonly tiny: boolean;
  /** Takes every row as soon as it is measured. */
  report(row: Row): void;
}

/** A group of rows. */
export interface Suite {
  readonly name: string;
  run(context: BenchmarkContext): Promise<void>;
}

/** Makes a row of two rates. */
export function row(fields: Omit<Row, 'ratio'>): Row {
  return { ...fields, ratio: fields.value / fields.baselineValue };
}

/** Whether the filter lets a row of this name through. */
export function wanted(context: BenchmarkContext, name: string): boolean {
  return name.includes(context.filter);
}
