/** The page: joins connection, subscription and the parts that show them. */

import { Connection } from './connection.js';
import { hideForm, onLogin, recall, remember, showForm, takeFragment } from './credential.js';
import { clock, count, duration, say } from './format.js';
import { ClusterMap } from './map.js';
import { Log, Table, Tiles } from './panels.js';
import { Subscription } from './subscription.js';

const TEXT_MS = 200;
const AGES_MS = 500;
const DEFAULT_STREAM = 'default';
const SESSION_OVER = 4401;

const byId = (id) => document.getElementById(id);
const connection = new Connection(onMessage, onState);
const subscription = new Subscription((message) => connection.send(message));
const map = new ClusterMap(document.querySelector('.plot'), refresh);
const table = new Table(byId('clusters'), (id) => {
  map.focus = id;
  refresh();
});
const tiles = new Tiles(byId('tiles'));
const log = new Log(byId('log').querySelector('ol'));

let state = { name: 'connecting' };
let heardAt = null; // performance.now() of the last event
let ahead = 0; // s by which the server's clock is ahead of this one
let isDrawing = false;
let writtenAt = -Infinity;
const serverTime = () => Date.now() / 1000 + ahead;

// Credential

function start() {
  takeFragment();
  if (!recall('key')) {
    askForLogin('');
    return;
  }
  hideForm();
  byId('live').hidden = false;
  connection.open(recall('key'));
}

function askForLogin(reason) {
  connection.close();
  subscription.disconnected();
  remember('key');
  byId('live').hidden = true;
  showForm(reason);
}

function logOut() {
  askForLogin('You are logged out.');
  subscription.leave();
}

// Connection

function onState(next) {
  state = next;
  if (next.name !== 'live') subscription.disconnected();
  if (next.name === 'refused') {
    const isOver = next.code === SESSION_OVER;
    askForLogin(isOver ? 'Your session has ended. Log in again to go on.' : `The server refused the credential: ${next.reason}`);
  }
  refresh(true);
}

function onMessage(message) {
  if (message.type === 'welcome') {
    ahead = message.server_time - Date.now() / 1000;
    warn('');
    begin();
    return;
  }
  if (message.type === 'token_expiring') {
    warn(`Your session ends at ${clock(message.expires_at)}; you will be asked to log in again.`);
    return;
  }
  const { view } = subscription;
  const before = view.generation;
  const kind = subscription.receive(message);
  if (kind === 'nothing') return;
  if (kind === 'refused') {
    warn(`The stream cannot be shown: ${message.detail}`);
  } else if (kind === 'begun') {
    if (view.generation > before) log.addSnapshot(view, serverTime(), before === 0);
  } else if (kind === 'event') {
    heardAt = performance.now();
    if (message.class === 'lossless' && message.data) log.addEvent(message, serverTime());
  }
  refresh();
}

// Streams

async function begin() {
  await listStreams();
  follow(recall('stream') ?? byId('stream').value);
}

function follow(stream) {
  if (stream !== subscription.stream) {
    log.clear();
    heardAt = null;
  }
  remember('stream', stream);
  byId('stream').value = stream;
  document.title = `${stream} – NeuroCluster Streamer`;
  if (!document.hidden) subscription.follow(stream);
  refresh(true);
}

async function listStreams() {
  try {
    const response = await fetch(new URL('api/v1/streams', document.baseURI), {
      headers: { Authorization: `Bearer ${recall('key')}` },
    });
    offer(response.ok ? await response.json() : []);
  } catch {
    offer([]); // the state of the connection says what is wrong
  }
}

/** Let the streams be the choices, beside the one that is shown. */
function offer(streams) {
  const select = byId('stream');
  const all = [...new Set([...streams, recall('stream') ?? streams[0] ?? DEFAULT_STREAM])];
  if (`${all}` === `${[...select.options].map(({ value }) => value)}`) return;
  select.replaceChildren(...all.map((stream) => new Option(stream)));
  select.value = recall('stream') ?? all[0];
}

function warn(text) {
  say(byId('notice'), text);
  byId('notice').hidden = !text;
}

// Drawing: at most once a frame, and text less often, so that it can be read

function refresh(isUrgent = false) {
  if (isUrgent === true) writtenAt = -Infinity;
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(draw);
}

function draw(now) {
  isDrawing = false;
  const { view } = subscription;
  const isMoving = map.draw(view, now);
  subscription.show(map.features);
  const isWritten = now - writtenAt < TEXT_MS;
  if (!isWritten) {
    writtenAt = now;
    write(view);
  }
  if (isMoving || isWritten) refresh();
}

function write(view) {
  tiles.show(view);
  table.show(view.clusters, serverTime(), map.focus);
  log.show();
  offerFeatures(view);
  say(byId('heard'), heardAt === null ? 'no event yet' : `last event ${duration((performance.now() - heardAt) / 1000)} ago`);
  const { gaps } = subscription;
  say(byId('gaps'), gaps ? `⚠ ${count(gaps)} ${gaps === 1 ? 'gap' : 'gaps'} in the events` : '');
  writeState();
}

const STATES = { connecting: 'connecting', live: 'live', waiting: 'reconnecting' };

function writeState() {
  const line = byId('state');
  line.parentElement.dataset.state = state.name;
  say(line, STATES[state.name] ?? `ended: ${state.reason || `code ${state.code}`}`);
  const left = Math.ceil((state.until - performance.now()) / 1000);
  say(byId('wait'), state.name === 'waiting' ? `in ${Math.max(0, left)} s` : '');
  byId('retry').hidden = state.name !== 'waiting' && state.name !== 'ended';
}

function offerFeatures(view) {
  const centroids = [...view.clusters.values()].map(({ centroid }) => centroid);
  const dimension = centroids.find(Boolean)?.length ?? 0;
  [byId('across'), byId('up')].forEach((select, k) => {
    if (select.options.length !== dimension + 1) {
      const features = Array.from({ length: dimension }, (_, feature) => new Option(feature, feature));
      select.replaceChildren(new Option('auto', ''), ...features);
      map.choose([null, null]);
    }
    say(select.options[0], dimension ? `auto (${map.features[k]})` : 'auto');
  });
  document.querySelector('canvas').setAttribute('aria-label', map.describe());
}

// What people do

onLogin((token) => {
  remember('key', token);
  start();
});
byId('logout').addEventListener('click', logOut);
byId('retry').addEventListener('click', () => connection.retry());
byId('stream').addEventListener('change', (event) => follow(event.target.value));
for (const kind of ['focus', 'pointerdown']) byId('stream').addEventListener(kind, listStreams);
for (const id of ['across', 'up']) {
  byId(id).addEventListener('change', () => {
    const chosen = [byId('across'), byId('up')].map(({ value }) => (value === '' ? null : Number(value)));
    map.choose(chosen);
    refresh(true);
  });
}
window.addEventListener('hashchange', start);
window.addEventListener('online', () => state.name === 'waiting' && connection.retry());
document.addEventListener('visibilitychange', () => {
  if (document.hidden) subscription.pause();
  else if (recall('stream') && state.name === 'live') follow(recall('stream'));
});
setInterval(() => document.hidden || refresh(true), AGES_MS);
start();
