/**
 * The points, drawn by the graphics card.
 *
 * Its buffers mirror the ring: what comes is copied into its place as it came from the
 * server, nothing is ever moved or built anew. Age, colour and shape are made of birth time
 * and id when a point is drawn, so going back in time or fading costs no copying.
 */

import { COLOURS, rgb } from '../model/looks';
import type { Camera } from './camera';
import type { Ring, Span } from './ring';

/** How much of a cluster is seen, by the lowest bits of its id. */
export const EMPHASES = 4096;
const SIDE = 64;
const POLL_MS = 2;

const VERTEX = `#version 300 es
precision highp float;
in vec3 place;
in int cluster;
in float born;
uniform mat4 view;
uniform float now, life, size, pixels;
uniform vec3 palette[6];
uniform vec3 stray;
uniform highp sampler2D emphasis;
flat out vec4 colour;
flat out int shape;
void main() {
  float age = now - born;
  bool isStray = cluster < 0;
  float weight = isStray ? 1.0
    : texelFetch(emphasis, ivec2(cluster % ${SIDE}, (cluster / ${SIDE}) % ${SIDE}), 0).r;
  float fade = mix(1.0, 0.05, clamp(age / life, 0.0, 1.0));
  gl_Position = view * vec4(place, 1.0);
  float scale = clamp(4.2 / gl_Position.w, 0.4, 3.0);
  gl_PointSize = max(1.5, size * scale * (isStray ? 1.5 : 1.0)) * pixels;
  shape = isStray ? 6 : (cluster / 6) % 6;
  colour = vec4(isStray ? stray : palette[cluster % 6], fade * weight);
  if (age < -0.001 || weight < 0.002) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec4 colour;
flat in int shape;
out vec4 drawn;
void main() {
  vec2 p = 2.0 * gl_PointCoord - 1.0;
  vec2 q = abs(p);
  bool inside = shape == 0 ? dot(p, p) < 1.0
    : shape == 1 ? max(q.x, q.y) < 0.86
    : shape == 2 ? p.y < 0.8 && p.y > 2.1 * q.x - 1.1
    : shape == 3 ? q.x + q.y < 1.0
    : shape == 4 ? min(q.x, q.y) < 0.36
    : shape == 5 ? q.x + q.y < 0.62 || (min(q.x, q.y) < 0.2)
    : abs(q.x - q.y) < 0.42;
  if (!inside) discard;
  drawn = vec4(colour.rgb * colour.a, colour.a);
}`;

export interface Drawing {
  /** Seconds since the ring's zero. */
  readonly now: number;
  /** Seconds after which a point is as pale as it gets. */
  readonly life: number;
  /** CSS pixels of a point. */
  readonly size: number;
  readonly stray: string;
  /** Pixels of the screen to one of CSS. */
  readonly pixels: number;
  /** One in so many points. */
  readonly stride: number;
}

export class Cloud {
  /** What draws, as far as the browser says. */
  readonly renderer: string;
  readonly #gl: WebGL2RenderingContext;
  readonly #buffers: { place: WebGLBuffer; cluster: WebGLBuffer; born: WebGLBuffer };
  readonly #emphasis = new Uint8Array(EMPHASES).fill(255);
  #uniforms: Readonly<Record<string, WebGLUniformLocation | null>> = {};
  #attributes = { place: 0, cluster: 0, born: 0 };
  #dimensions = 0;
  #isEmphasisNew = true;
  /** A picture that the card has not finished. */
  #fence: WebGLSync | null = null;
  #fencedAt = 0;

  /**
   * `finished` is called when a picture is on the screen, with the milliseconds it took.
   *
   * @throws Error if the browser has no WebGL 2.
   */
  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly ring: Ring,
    readonly finished: (ms: number) => void,
  ) {
    const gl = canvas.getContext('webgl2', { antialias: false, depth: false, alpha: true });
    if (!gl) throw new Error('no WebGL 2');
    this.#gl = gl;
    const info = gl.getExtension('WEBGL_debug_renderer_info');
    this.renderer = String(gl.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
    this.#buffers = {
      place: gl.createBuffer(),
      cluster: gl.createBuffer(),
      born: gl.createBuffer(),
    };
    this.#prepare();
    this.reset();
  }

  get isSoftware(): boolean {
    return /swiftshader|llvmpipe|software|basic render/i.test(this.renderer);
  }

  /** Whether the picture that was asked for last is not finished yet. */
  get isBusy(): boolean {
    return this.#fence !== null;
  }

  /** Make everything on the card anew, as after it was lost. */
  restore(): void {
    const gl = this.#gl;
    this.#buffers.place = gl.createBuffer();
    this.#buffers.cluster = gl.createBuffer();
    this.#buffers.born = gl.createBuffer();
    this.#fence = null;
    this.#prepare();
    this.reset();
    for (const span of this.ring.spans) this.upload(span);
  }

  /** Make room for a ring of another dimension. */
  reset(): void {
    const gl = this.#gl;
    const { capacity, dimensions } = this.ring;
    if (this.#dimensions === dimensions) return;
    this.#dimensions = dimensions;
    for (const [name, bytes] of [
      ['place', 4 * dimensions],
      ['cluster', 4],
      ['born', 4],
    ] as const) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, capacity * bytes, gl.DYNAMIC_DRAW);
    }
  }

  /** Copy a stretch of the ring. */
  upload({ from, count }: Span): void {
    this.reset();
    const gl = this.#gl;
    const { ring } = this;
    const d = ring.dimensions;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers.place);
    gl.bufferSubData(gl.ARRAY_BUFFER, 4 * d * from, ring.positions, d * from, d * count);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers.cluster);
    gl.bufferSubData(gl.ARRAY_BUFFER, 4 * from, ring.ids, from, count);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers.born);
    gl.bufferSubData(gl.ARRAY_BUFFER, 4 * from, ring.born, from, count);
  }

  /** Say how much of each cluster is seen, in [0, 1]; `weight` of an id. */
  emphasise(weight: ((id: number) => number) | null, ids: Iterable<number>): void {
    this.#emphasis.fill(255 * (weight ? weight(-1) : 1));
    if (weight)
      for (const id of ids) this.#emphasis[id % EMPHASES] = Math.round(255 * weight(id));
    this.#isEmphasisNew = true;
  }

  /** Draw; returns how many points that were. */
  draw(camera: Camera, { now, life, size, stray, pixels, stride }: Drawing): number {
    const gl = this.#gl;
    if (gl.isContextLost()) return 0;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (this.#isEmphasisNew) this.#uploadEmphasis();
    const at = this.#uniforms;
    gl.uniformMatrix4fv(at.view!, false, camera.matrix);
    gl.uniform1f(at.now!, now);
    gl.uniform1f(at.life!, life);
    gl.uniform1f(at.size!, size);
    gl.uniform1f(at.pixels!, pixels);
    gl.uniform3fv(at.stray!, rgb(stray));
    let drawn = 0;
    for (const { from, count } of this.ring.spans) {
      const many = Math.ceil(count / stride);
      this.#point(from, stride);
      gl.drawArrays(gl.POINTS, 0, many);
      drawn += many;
    }
    this.#fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.#fencedAt = performance.now();
    gl.flush();
    this.#await();
    return drawn;
  }

  /** Look every now and then whether the picture is finished. */
  #await(): void {
    setTimeout(() => {
      const gl = this.#gl;
      if (!this.#fence) return;
      const isDone = gl.getSyncParameter(this.#fence, gl.SYNC_STATUS) === gl.SIGNALED;
      if (!isDone && !gl.isContextLost()) {
        this.#await();
        return;
      }
      gl.deleteSync(this.#fence);
      this.#fence = null;
      this.finished(performance.now() - this.#fencedAt);
    }, POLL_MS);
  }

  #prepare(): void {
    const gl = this.#gl;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the shader does not compile: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    const names = ['view', 'now', 'life', 'size', 'pixels', 'stray', 'palette', 'emphasis'];
    this.#uniforms = Object.fromEntries(
      names.map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    for (const name of ['place', 'cluster', 'born'] as const) {
      this.#attributes[name] = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(this.#attributes[name]);
    }
    gl.uniform3fv(this.#uniforms.palette!, COLOURS.flatMap(rgb));
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.#dimensions = 0;
    this.#isEmphasisNew = true;
  }

  #uploadEmphasis(): void {
    const gl = this.#gl;
    const { R8, RED, UNSIGNED_BYTE, TEXTURE_2D } = gl;
    gl.texImage2D(TEXTURE_2D, 0, R8, SIDE, SIDE, 0, RED, UNSIGNED_BYTE, this.#emphasis);
    this.#isEmphasisNew = false;
  }

  /** Let the attributes begin at a point of the ring, and take every so many. */
  #point(from: number, stride: number): void {
    const gl = this.#gl;
    const d = 4 * this.#dimensions;
    const { place, cluster, born } = this.#attributes;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers.place);
    gl.vertexAttribPointer(place, this.#dimensions, gl.FLOAT, false, d * stride, d * from);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers.cluster);
    gl.vertexAttribIPointer(cluster, 1, gl.INT, 4 * stride, 4 * from);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers.born);
    gl.vertexAttribPointer(born, 1, gl.FLOAT, false, 4 * stride, 4 * from);
  }
}
