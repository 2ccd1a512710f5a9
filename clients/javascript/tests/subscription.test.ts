import { expect, test } from 'vitest';
import { ConnectionEndedError, NCSError } from '../src/errors.js';
import type { StreamEvent } from '../src/readers.js';
import { Subscription } from '../src/subscription.js';
import { update } from './wire.js';

function follow(maxQueue = 4) {
  const asked: string[] = [];
  let read = 0;
  const subscription: Subscription = new Subscription(
    {
      pause: (reader, why) => {
        reader.pauses.add(why);
        asked.push(`pause ${why}`);
      },
      resume: (reader, why) => {
        reader.pauses.delete(why);
        asked.push(`resume ${why}`);
      },
      unsubscribe: () => asked.push('unsubscribe'),
      claim: () => ({ bytes: 10, connection: 1 }),
      read: ({ bytes }) => {
        read += bytes;
      },
    },
    'default',
    {},
    maxQueue,
  );
  const { reader } = subscription;
  const hear = (...offsets: number[]) => {
    for (const offset of offsets) reader.deliver(update('keyed', offset));
  };
  return { subscription, reader, asked, hear, read: () => read };
}

const offset = (event: StreamEvent | undefined) =>
  event && 'offset' in event ? event.offset : 'end';

test('events are read in order, those that wait and those that come', async () => {
  const { subscription, hear } = follow();
  hear(1, 2);
  const read = [subscription.next(), subscription.next(), subscription.next()];
  hear(3);
  expect((await Promise.all(read)).map(({ value }) => offset(value))).toEqual([1, 2, 3]);
});

test('a full queue lets the subscription rest until half of it is read', async () => {
  const { subscription, asked, hear } = follow(4);
  hear(1, 2, 3);
  expect(asked).toEqual([]);
  hear(4);
  expect(asked).toEqual(['pause full']);
  await subscription.next();
  expect(asked).toEqual(['pause full']);
  await subscription.next();
  expect(asked).toEqual(['pause full', 'resume full']);
  expect(subscription.queued).toBe(2);
});

test('a loop that is left ends the subscription, and holds on to nothing', async () => {
  const { subscription, asked, hear } = follow();
  hear(1, 2, 3);
  for await (const event of subscription) if (offset(event) === 2) break;
  expect([asked, subscription.queued]).toEqual([['unsubscribe'], 0]);
  expect((await subscription.next()).done).toBe(true);
});

test('who waits for an event is told of the end', async () => {
  const { subscription } = follow();
  const waiting = [subscription.next(), subscription.next()];
  subscription.close();
  subscription.close();
  expect((await Promise.all(waiting)).map(({ done }) => done)).toEqual([true, true]);
});

test('an error comes after what was in the queue, once', async () => {
  const { subscription, reader, hear } = follow();
  hear(1);
  reader.fail(new NCSError('refused'));
  hear(2);
  expect(offset((await subscription.next()).value)).toBe(1);
  await expect(subscription.next()).rejects.toThrow('refused');
  expect((await subscription.next()).done).toBe(true);
});

test('a session that was stopped ends the loop without an error', async () => {
  const { subscription, reader } = follow();
  const waiting = subscription.next();
  reader.fail(new ConnectionEndedError(1000, 'stopped'));
  expect((await waiting).done).toBe(true);
});

test('what was read is told, and so is what was never read when the loop is left', async () => {
  const { subscription, hear, read } = follow();
  hear(1, 2, 3);
  await subscription.next();
  expect(read()).toBe(10);
  await subscription.return();
  expect(read()).toBe(30);
});

test('thousands of events pass through a small queue', async () => {
  const { subscription, hear } = follow(8);
  for (let n = 1; n <= 5000; n += 1) {
    hear(n);
    expect(offset((await subscription.next()).value)).toBe(n);
  }
});
