// The parts of the comparison with other products that are arithmetic and drawing.

import { describe, expect, it } from 'vitest';
import { chart, scale } from '../../bench/peers/chart.ts';
import { percentilesOf } from '../../bench/peers/load-programs.ts';
import { cpuSecondsOf } from '../../bench/peers/process-usage.ts';
import { median, type PeerRow, type Runs, rowsOf } from '../../bench/peers/report.ts';
import { withSection } from '../../bench/peers/results.ts';
import { thirds } from '../../bench/peers/scenarios/soak.ts';
import { fullTable, missedGoals, shortTable } from '../../bench/peers/table.ts';

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
    const [, , line, ...more] = shortTable(ROWS).split('\n');
    expect(more).toEqual([]);
    expect(line).toBe(`| ${SCENARIO}, throughput (MB/s) | 400 | 100 | 4.00x | 0.25x |  | 2x ✓ |`);
  });

  it('replace a section of a text and nothing else', () => {
    const text = 'before <!-- peers: begin -->\nold\n<!-- peers: end --> after';
    expect(withSection(text, 'new')).toBe('before <!-- peers: begin -->\nnew\n<!-- peers: end --> after');
    expect(() => withSection('no section', 'new')).toThrow('peers: begin');
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
