// The parts of the comparison with other products that are arithmetic and drawing.

import { describe, expect, it } from 'vitest';
import { chart, scale } from '../../bench/peers/chart.ts';
import { goalLines, hasGoal } from '../../bench/peers/goals.ts';
import { percentilesOf } from '../../bench/peers/load-programs.ts';
import { cpuSecondsOf } from '../../bench/peers/process-usage.ts';
import { median, type PeerRow, type Runs, rowsOf } from '../../bench/peers/report.ts';
import { merged, type Results, withSection } from '../../bench/peers/results.ts';
import { rollingConfig } from '../../bench/peers/scenarios/produce.ts';
import { thirds } from '../../bench/peers/scenarios/soak.ts';
import {
  fullTable,
  goalTable,
  groupTables,
  missedGoals,
  reservations,
  scenarioLabel,
} from '../../bench/peers/table.ts';

const SCENARIO = 'produce/acks=1/100B/1-partition/none';

function runs(peer: Runs['peer'], values: readonly (readonly [throughput: number, cpu: number])[]): Runs {
  return {
    scenario: SCENARIO,
    peer,
    version: '1.2.3',
    runs: values.map(([throughput, cpu]) => [
      { metric: 'throughput', unit: 'MB/s', value: throughput, better: 'more' },
      { metric: 'broker CPU', unit: 's/GB', value: cpu, better: 'less' },
    ]),
  };
}

const ROWS: readonly PeerRow[] = rowsOf([
  runs('millrace', [
    [300, 1],
    [500, 2],
    [400, 4],
  ]),
  runs('kafka', [
    [100, 8],
    [90, 9],
    [250, 3],
  ]),
]);

describe('medians', () => {
  it('are the middle of an odd number and the mean of the two middle ones of an even number', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
  });

  it('do not exist for nothing', () => {
    expect(() => median([])).toThrow('nothing');
  });
});

describe('rows', () => {
  it('hold the medians of both sides, their spread, the ratio and who is better', () => {
    expect(ROWS[0]).toMatchObject({ millrace: 400, millraceSpread: [300, 500], peerValue: 100, peerSpread: [90, 250] });
    expect(ROWS[0]).toMatchObject({ ratio: 4, advantage: 4, peerVersion: '1.2.3', rounds: 3 });
    // Less is better: a quarter of the processor time is four times better.
    expect(ROWS[1]).toMatchObject({ millrace: 2, peerValue: 8, ratio: 0.25, advantage: 4 });
  });

  it('are left out where one side has no run', () => {
    expect(rowsOf([runs('millrace', []), runs('kafka', [[1, 1]])])).toEqual([]);
    expect(rowsOf([runs('kafka', [[1, 1]])])).toEqual([]);
  });

  it('stand beside what a run was measured with where that is no peer', () => {
    const encoded = (value: number, baseline: number): PeerRow[] => {
      const beside = { name: 'kafkajs', version: '2.2.4', value: baseline, rounds: 9 };
      const run = [{ metric: 'batches of 100', unit: 'records/s', value, better: 'more', beside }] as const;
      return rowsOf([{ scenario: 'kernels/encode', peer: 'millrace', version: '0.1.0', runs: [run] }]);
    };
    expect(encoded(6e6, 5e5)).toMatchObject([{ peer: 'kafkajs', peerVersion: '2.2.4', advantage: 12, rounds: 9 }]);
    expect(missedGoals(encoded(6e6, 5e5))).toEqual([]);
    expect(missedGoals(encoded(6e6, 7e5))).toHaveLength(1);
    expect(missedGoals(encoded(4.9e6, 1e5))).toHaveLength(1);
  });

  it('say which goals are missed', () => {
    expect(missedGoals(ROWS)).toEqual([]);
    const slow = rowsOf([runs('millrace', [[150, 1]]), runs('kafka', [[100, 8]])]);
    expect(missedGoals(slow)).toEqual([`${SCENARIO}, throughput: 1.50x (150 MB/s beside 100), goal 2x`]);
    expect(fullTable(slow)).toContain('**2x ✗**');
  });
});

describe('the tables', () => {
  it('have a line for each figure, and processor time and memory in columns of the short one', () => {
    expect(fullTable(ROWS).split('\n')).toHaveLength(4);
    const [title, , , , line, ...more] = groupTables(ROWS, '###').split('\n');
    expect(title).toBe('### Produce');
    expect(more).toEqual([]);
    expect(line).toBe('| acks=1, 100 B, 1 partition | MB/s | 400 | 100 | 4.00x | 2x ✓ | 0.25x ✓ |  |');
  });

  it('begin with every goal, also those that nothing was measured for', () => {
    const lines = goalTable(ROWS).split('\n');
    expect(lines).toHaveLength(goalLines([]).length + 2);
    expect(lines[2]).toBe('| produce, acks 1 or all relaxed: throughput | 2x | 4.00x |  | ✓ |');
    expect(lines.at(-1)).toMatch(/full load.*\| not measured \|$/);
  });

  it('sum up a goal of several rows by the worst and the best', () => {
    const other = rowsOf([
      { ...runs('millrace', [[150, 1]]), scenario: 'produce/acks=1/1024B/1-partition/none' },
      { ...runs('kafka', [[100, 1]]), scenario: 'produce/acks=1/1024B/1-partition/none' },
    ]);
    expect(goalLines([...ROWS, ...other])[0]).toMatchObject({
      ...{ rows: 2, held: 1, seen: '1.50x to 4.00x', worst: 'produce/acks=1/1024B/1-partition/none' },
    });
  });

  it('name scenarios in words', () => {
    expect(scenarioLabel('produce/acks=all-durable/1024B/64-partitions/lz4')).toBe(
      'acks=all durable, 1 KiB, 64 partitions, lz4',
    );
    expect(scenarioLabel('one-record-requests/1-connections/acks=1')).toBe('1 connection, acks=1');
  });

  it('tell of runs without retention, and of loads that were busy all the time', () => {
    const run = (dropped: number, cores: number): Runs['runs'] => [
      [
        { metric: 'dropped by retention', unit: '%', value: dropped, better: 'more' },
        { metric: 'load', unit: 'cores', value: cores, better: 'less' },
      ],
    ];
    const rows = rowsOf([
      { ...runs('millrace', []), runs: run(50, 0.95) },
      { ...runs('kafka', []), runs: run(0, 0.4) },
    ]);
    expect(reservations(rows)).toEqual([
      `${SCENARIO}: a run of Apache Kafka did not reach retention`,
      `${SCENARIO}: the load took 0.95 cores with Millrace, which may do more than is seen`,
    ]);
    expect(reservations(ROWS)).toEqual([]);
  });

  it('replace a section of a text and nothing else', () => {
    const text = 'before <!-- peers: begin -->\nold\n<!-- peers: end --> after';
    expect(withSection(text, 'new')).toBe('before <!-- peers: begin -->\nnew\n<!-- peers: end --> after');
    expect(() => withSection('no section', 'new')).toThrow('peers: begin');
  });
});

describe('a run of some scenarios', () => {
  const results = (rows: readonly PeerRow[], failures: readonly string[]): Results => ({
    ...{ rows, failures, measuredAt: '2026-01-01', rounds: 3, disturbedRuns: 0, runs: 6, minutes: 1 },
    machine: {
      processor: 'x',
      cores: 2,
      memoryGiB: 1,
      kernel: '6',
      fileSystem: 'ext4',
      congestionControl: 'cubic',
      versions: {},
    },
  });

  it('replaces its rows and failures in what was published before, and nothing else', () => {
    const [row] = ROWS;
    if (row === undefined) throw new Error('there are rows');
    const kept = [
      { ...row, scenario: 'start' },
      { ...row, peer: 'nats' },
    ];
    const earlier = results([{ ...row, millrace: 1 }, ...kept], [`${SCENARIO}, kafka, round 1/3: gone`, 'start: gone']);
    const all = merged(earlier, results([row], []), { measured: [SCENARIO] });
    expect(all.rows).toEqual([...kept, row]);
    expect(all.failures).toEqual(['start: gone']);
    expect(all.runs).toBe(12);
  });

  it('sums the runs that were disturbed, and makes up no number where a part of them did not tell', () => {
    const told = { ...results([], []), disturbedRuns: 2 };
    expect(merged(told, { ...told, disturbedRuns: 3 }, { measured: [] }).disturbedRuns).toBe(5);
    const untold = { ...told, disturbedRuns: null };
    expect(merged(untold, told, { measured: [] }).disturbedRuns).toBeNull();
    expect(merged(told, untold, { measured: [] }).disturbedRuns).toBeNull();
  });
});

describe('scenarios', () => {
  it('roll segments that are no smaller than Kafka lets them be', () => {
    const mib = 1024 ** 2;
    expect(rollingConfig(1, 256 * mib)).toEqual({
      'segment.bytes': String(256 * mib),
      'retention.bytes': String(64 * mib),
    });
    expect(rollingConfig(64, 16 * mib)).toMatchObject({ 'segment.bytes': String(mib) });
  });

  it('have goals or not', () => {
    expect(hasGoal('latency/1000-per-second/acks=1')).toBe(true);
    expect(hasGoal('client/librdkafka/produce/100B')).toBe(false);
  });
});

describe('the chart', () => {
  it('is logarithmic and ends at its edges', () => {
    const plot = { low: 0.5, high: 8, width: 400 };
    expect([0.5, 1, 2, 8, 100, 0.1].map((factor) => scale(factor, plot))).toEqual([0, 100, 200, 400, 400, 0]);
  });

  it('draws a bar to the right where Millrace is better and to the left where it is worse', () => {
    const worse = rowsOf([runs('millrace', [[50, 1]]), runs('kafka', [[100, 1]])]);
    const bars = (svg: string): number[] => [...svg.matchAll(/<rect x="([\d.]+)"/g)].map((match) => Number(match[1]));
    const line = (svg: string): number => Number(/x1="([\d.]+)"[^>]*stroke="#1c1f23"/.exec(svg)?.[1]);
    const options = { title: 'a < b', subtitle: '' };
    const right = chart(ROWS, options);
    const left = chart(worse, options);
    expect(bars(right)[0]).toBeCloseTo(line(right), 0);
    expect(bars(left)[0]).toBeLessThan(line(left) - 10);
    expect(right).toContain('a &lt; b');
    expect(right).toContain('>4.00x<');
  });
});

describe('figures from the machine', () => {
  it('processor time is user and kernel time of a process with any name', () => {
    const stat = '42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 100 1000 10';
    expect(cpuSecondsOf(stat)).toBe(2);
    // And the same of its children that have ended.
    expect(cpuSecondsOf(stat.replace('150 50 0 0', '150 50 300 100'), 16)).toBe(4);
  });

  it('percentiles come from microseconds', () => {
    const samples = new DataView(new ArrayBuffer(4000));
    for (let i = 0; i < 1000; i++) samples.setUint32(i * 4, (i + 1) * 1000, true);
    const { p50, p99, p999 } = percentilesOf(new Uint8Array(samples.buffer));
    expect(p50).toBeCloseTo(500, -1);
    expect(p99).toBeCloseTo(990, -1);
    expect(p999).toBeCloseTo(999, -1);
  });

  it('a soak compares its end with what comes after the first sixth', () => {
    const samples = [1000, ...Array.from({ length: 2 }, () => 100), 100, ...Array.from({ length: 2 }, () => 150)];
    expect(thirds(samples)).toEqual({ early: 100, late: 150 });
  });
});
