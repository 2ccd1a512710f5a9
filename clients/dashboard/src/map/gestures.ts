/** Hands on the map: mouse, pen, fingers and keys become moves of the camera, picks and lassos. */

import type { Camera } from './camera';

export interface Hands {
  readonly camera: Camera;
  /** Whether a drag draws a line around points instead of moving the picture. */
  isLasso: boolean;
  moved(): void;
  pointed(x: number, y: number): void;
  left(): void;
  picked(x: number, y: number): void;
  drawing(line: readonly (readonly [number, number])[]): void;
  drawn(line: readonly (readonly [number, number])[]): void;
}

const CLICK_PX = 5;
const KEY_PX = 40;

/** Listen to an element; what happens is told to `hands`. */
export function listen(element: HTMLElement, hands: Hands): void {
  const fingers = new Map<number, [number, number]>();
  let travelled = 0;
  let line: [number, number][] = [];
  const { camera } = hands;
  const placeOf = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  element.addEventListener('pointerdown', (event) => {
    if (event.button > 2) return;
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, placeOf(event));
    travelled = 0;
    line = hands.isLasso && fingers.size === 1 ? [placeOf(event)] : [];
  });

  element.addEventListener('pointermove', (event) => {
    const here = placeOf(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      hands.pointed(...here);
      return;
    }
    const [dx, dy] = [here[0] - before[0], here[1] - before[1]];
    travelled += Math.hypot(dx, dy);
    if (fingers.size === 2) {
      pinch(event.pointerId, before, here);
    } else if (line.length > 0) {
      line.push(here);
      hands.drawing(line);
    } else if (travelled > CLICK_PX) {
      const isPan = camera.dimensions === 2 || event.shiftKey || event.buttons > 1;
      if (isPan) camera.pan(dx, dy);
      else camera.turn(dx, dy);
      hands.moved();
    }
    fingers.set(event.pointerId, here);
  });

  function pinch(id: number, before: [number, number], here: [number, number]): void {
    const [other] = [...fingers].filter(([finger]) => finger !== id).map(([, place]) => place);
    if (!other) return;
    const spread = (place: [number, number]) =>
      Math.hypot(place[0] - other[0], place[1] - other[1]);
    const middle = [(here[0] + other[0]) / 2, (here[1] + other[1]) / 2] as const;
    camera.zoomAt(spread(here) / (spread(before) || 1), ...middle);
    camera.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    hands.moved();
  }

  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId)) return;
    if (line.length > 2) hands.drawn(line);
    else if (event.type === 'pointerup' && travelled <= CLICK_PX)
      hands.picked(...placeOf(event));
    line = [];
  };
  element.addEventListener('pointerup', up);
  element.addEventListener('pointercancel', up);
  element.addEventListener('pointerleave', () => hands.left());
  element.addEventListener('contextmenu', (event) => event.preventDefault());
  element.addEventListener('dblclick', () => {
    camera.fit();
    hands.moved();
  });
  element.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      camera.zoomAt(Math.exp(-event.deltaY / (event.deltaMode ? 12 : 400)), ...placeOf(event));
      hands.moved();
    },
    { passive: false },
  );
  element.addEventListener('keydown', (event) => {
    const move = KEYS[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const { width, height } = element.getBoundingClientRect();
    if (typeof move === 'number') camera.zoomAt(move, width / 2, height / 2);
    else if (camera.dimensions === 2 || event.shiftKey) camera.pan(move[0], move[1]);
    else camera.turn(-move[0], -move[1]);
    hands.moved();
  });
}

const KEYS: Readonly<Record<string, number | readonly [number, number]>> = {
  ArrowLeft: [KEY_PX, 0],
  ArrowRight: [-KEY_PX, 0],
  ArrowUp: [0, KEY_PX],
  ArrowDown: [0, -KEY_PX],
  '+': 1.25,
  '=': 1.25,
  '-': 0.8,
};
