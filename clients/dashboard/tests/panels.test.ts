import { describe, expect, test } from 'vitest';
import { joined } from '../src/panels/log';
import { gathered } from '../src/panels/marks';
import { value } from '../src/ui/format';
import type { Happening } from '../src/worker/bridge';

const happening = (at: number, more: Partial<Happening> = {}): Happening => ({
  kind: 'created',
  at,
  cluster: at,
  other: -1,
  size: 1,
  source: null,
  ...more,
});
const drift = (at: number, affected: number[], severity: 'low' | 'medium' | 'high' = 'low') =>
  happening(at, { kind: 'drift', severity, affected, text: 'nothing to do' });

describe('marks of the timeline', () => {
  const tenPixels = (seconds: number) => 10 * seconds;
  const of = (times: number[]) =>
    gathered(
      times.map((at) => happening(at)),
      tenPixels,
    ).map((mark) => [mark.happening.at, mark.times]);

  test('stand for one thing each where there is room', () => {
    expect(of([0, 1.5, 20])).toEqual([
      [0, 1],
      [1.5, 1],
      [20, 1],
    ]);
  });

  test('that would cover each other are one, with a count', () => {
    expect(of(Array.from({ length: 39 }, (_, k) => 100 + k / 40))).toEqual([[100, 39]]);
  });

  test('that go on and on are one for each cell of time', () => {
    expect(of(Array.from({ length: 12 }, (_, k) => k))).toEqual([
      [0, 4],
      [4, 4],
      [8, 4],
    ]);
  });

  test('stay as they are while they travel', () => {
    const times = [3.9, 4.1, 4.2, 4.3];
    expect(of(times.slice(1))).toEqual(of(times).slice(1));
  });
});

describe('entries of the log', () => {
  test('are one of low drifts that say the same, with all their clusters', () => {
    const entries = joined([drift(1, [4]), drift(2, [2]), drift(3, [4])]);
    expect(entries).toEqual([{ happening: drift(3, [2, 4]), times: 3 }]);
  });

  test('are each their own of anything else', () => {
    const all = [drift(1, [4], 'high'), drift(2, [4], 'high'), happening(3), happening(4)];
    expect(joined(all).map(({ times }) => times)).toEqual([1, 1, 1, 1]);
    expect(joined([drift(1, [1]), happening(2), drift(3, [1])]).length).toBe(3);
  });
});

test('numbers are never long', () => {
  const numbers = [0, 12.3456, -0.00012, 9_999_999, 6.939e-18, -1.388e-16, 5.082e9];
  expect(numbers.map(value)).toEqual([
    '0',
    '12.35',
    '-0.00012',
    '10000000',
    '6.94e-18',
    '-1.39e-16',
    '5.08e+9',
  ]);
  expect([null, undefined, Number.NaN].map(value)).toEqual(['–', '–', '–']);
});
