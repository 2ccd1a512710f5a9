import { expect, test } from 'vitest';
import { Pulse } from '../src/pulse.js';

test('nobody is asked where there is nobody', () => {
  const pulse = new Pulse();
  pulse.heard(5);
  expect([pulse.deadline, pulse.asks(5)]).toEqual([Infinity, false]);
});

test('who is silent for a heartbeat is asked, once, and has as long for an answer', () => {
  const pulse = new Pulse();
  pulse.begin(4, 1000);
  pulse.heard(2000);
  expect(pulse.deadline).toBe(6000);
  expect([pulse.asks(6000), pulse.asks(6000)]).toEqual([true, false]);
  expect([pulse.deadline, pulse.answerDue]).toEqual([10_000, 10_000]);
  pulse.heard(7000);
  expect([pulse.deadline, pulse.answerDue]).toEqual([11_000, Infinity]);
});

test.each([
  [60, 60_000, 10_000],
  [0, 1000, 1000],
  [Number.NaN, 1000, 1000],
])('a heartbeat of %d s is asked after %d ms and answered within %d', (beat, ask, answer) => {
  const pulse = new Pulse();
  pulse.begin(beat, 0);
  expect(pulse.askAt).toBe(ask);
  pulse.asks(ask);
  expect(pulse.answerDue).toBe(ask + answer);
});

test('with the connection all of it ends', () => {
  const pulse = new Pulse();
  pulse.begin(1, 0);
  pulse.asks(1000);
  pulse.end();
  pulse.heard(1500);
  expect([pulse.deadline, pulse.asks(1500)]).toEqual([Infinity, false]);
});
