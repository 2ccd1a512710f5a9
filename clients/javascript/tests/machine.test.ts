import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { IllegalTransitionError } from '../src/errors.js';
import { Machine, type Table } from '../src/machine.js';
import { READER_TABLE, SESSION_TABLE } from '../src/states.js';

const LAMP = {
  off: { press: 'on' },
  on: { press: 'off', break: 'broken' },
  broken: {},
} as const;

test('a machine takes the steps of its table', () => {
  const lamp = new Machine<'off' | 'on' | 'broken', 'press' | 'break'>('lamp', LAMP, 'off');
  expect([lamp.fire('press'), lamp.can('break'), lamp.fire('break')]).toEqual([
    'on',
    true,
    'broken',
  ]);
});

test('a step that the table does not have is an error that says where', () => {
  const lamp = new Machine<'off' | 'on' | 'broken', 'press' | 'break'>('lamp', LAMP, 'off');
  expect(() => lamp.fire('break')).toThrow(new IllegalTransitionError('lamp: break while off'));
  expect(lamp.state).toBe('off');
});

function diagram(table: Table<string, string>): string {
  const steps = Object.entries(table).flatMap(([state, row]) => {
    const targets = new Set(Object.values(row));
    return [...targets].map((target) => {
      const events = Object.keys(row).filter((event) => row[event] === target);
      return `  ${state} --> ${target}: ${events.join(', ')}`;
    });
  });
  const start = `  [*] --> ${Object.keys(table)[0]}`;
  return ['```mermaid', 'stateDiagram-v2', start, ...steps, '```'].join('\n');
}

test.each([
  ['session', SESSION_TABLE],
  ['subscription', READER_TABLE],
])('the README shows the states of a %s as they are', (_, table) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(diagram(table));
});

test.each([
  ['session', SESSION_TABLE],
  ['subscription', READER_TABLE],
])('from every state of a %s its end can be reached', (_, table: Table<string, string>) => {
  for (const [state, row] of Object.entries(table)) {
    expect(state === 'ended' || row.end === 'ended').toBe(true);
  }
});
