/**
 * Makes the demo's picture and film anew. Needs ffmpeg with libvpx-vp9 and libopus:
 * `node build/examples/samples/generate.js FOLDER`.
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createShoal, FRAME_HEIGHT, FRAME_WIDTH, step, type Fish } from './fish.ts'

const FRAMES_PER_SECOND = 25
const FILM_SECONDS = 12
const WARM_UP_FRAMES = 120
const FISH = 300
const SEED = 7
const PICTURE_SCALE = 2
const PICTURE_FRAME = 22

/** Deep water: lighter above, with two slow shafts of light. */
function paintWater(frame: Uint8Array, width: number, height: number, phase: number): void {
  for (let y = 0; y < height; y++) {
    const depth = y / height
    for (let x = 0; x < width; x++) {
      const slant = x / width + depth * 0.35
      const shaft = Math.max(0, Math.sin(slant * 7 + phase) * Math.sin(slant * 3 - phase * 0.6))
      const light = (1 - depth) * (0.55 + 0.45 * shaft)
      const at = 3 * (y * width + x)
      frame[at] = 4 + 14 * light
      frame[at + 1] = 24 + 78 * light
      frame[at + 2] = 48 + 92 * light
    }
  }
}

/** A slender drop with its head in front, soft at the edge. */
function paintFish(frame: Uint8Array, width: number, fish: Fish, scale: number): void {
  const speed = Math.hypot(fish.vx, fish.vy) || 1
  const [cos, sin] = [fish.vx / speed, fish.vy / speed]
  const length = (4.5 + 4 * fish.nearness) * scale
  const [centerX, centerY] = [fish.x * scale, fish.y * scale]
  const flash = 0.5 + 0.5 * Math.abs(sin) // a side turned to the light
  for (let y = Math.floor(centerY - length); y <= centerY + length; y++) {
    for (let x = Math.floor(centerX - length); x <= centerX + length; x++) {
      const along = ((x - centerX) * cos + (y - centerY) * sin) / length
      const across = ((y - centerY) * cos - (x - centerX) * sin) / length
      const girth = 0.3 * Math.sqrt(Math.max(0, 1 - along * along)) * (0.72 + 0.28 * along)
      const cover = Math.min(1, Math.max(0, (girth - Math.abs(across)) * length))
      blend(frame, width, x, y, cover * (0.35 + 0.6 * fish.nearness), flash)
    }
  }
}

// oxlint-disable-next-line max-params -- a pixel, its place and its light
function blend(
  frame: Uint8Array,
  width: number,
  x: number,
  y: number,
  cover: number,
  flash: number,
): void {
  const at = 3 * (y * width + x)
  if (cover <= 0 || x < 0 || x >= width || at < 0 || at >= frame.length) return
  const color = [150 + 95 * flash, 205 + 40 * flash, 205 + 20 * flash]
  color.forEach((value, channel) => {
    const under = frame[at + channel] ?? 0
    frame[at + channel] = under + (value - under) * cover
  })
}

function paint(shoal: readonly Fish[], at: number, scale: number): Uint8Array {
  const [width, height] = [FRAME_WIDTH * scale, FRAME_HEIGHT * scale]
  const frame = new Uint8Array(3 * width * height)
  paintWater(frame, width, height, at / 45)
  for (const fish of shoal) paintFish(frame, width, fish, scale)
  return frame
}

async function encode(
  input: readonly string[],
  output: readonly string[],
  frames: () => Iterable<Uint8Array>,
): Promise<void> {
  const ffmpeg = spawn('ffmpeg', ['-loglevel', 'error', '-y', ...input, ...output], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = once(ffmpeg, 'close')
  for (const frame of frames()) {
    if (!ffmpeg.stdin.write(frame)) await once(ffmpeg.stdin, 'drain')
  }
  ffmpeg.stdin.end()
  const [code] = await ended
  if (code !== 0) throw new Error(`ffmpeg ended with ${String(code)}`)
}

function* swim(frames: number, scale: number): Iterable<Uint8Array> {
  const shoal = createShoal(FISH, SEED)
  for (let frame = 0; frame < WARM_UP_FRAMES; frame++) step(shoal, frame)
  for (let frame = 0; frame < frames; frame++) {
    step(shoal, WARM_UP_FRAMES + frame)
    if (scale === 1) yield paint(shoal, frame, scale)
  }
  if (scale !== 1) yield paint(shoal, frames, scale)
}

const rawVideo = (scale: number): string[] =>
  `-f rawvideo -pix_fmt rgb24 -s ${FRAME_WIDTH * scale}x${FRAME_HEIGHT * scale} -r ${FRAMES_PER_SECOND} -i -`.split(
    ' ',
  )
// A low chord that breathes, and a higher one that comes and goes.
const chord = [110, 164.81, 220, 277.18, 329.63]
  .map((hertz, at) => `${0.09 - at * 0.012}*sin(2*PI*${hertz}*t)*(0.6+0.4*sin(2*PI*t/${at + 3}))`)
  .join('+')
const sound = ['-f', 'lavfi', '-t', String(FILM_SECONDS), '-i', `aevalsrc=${chord}:s=48000`]
const fade = `afade=in:d=1,afade=out:st=${FILM_SECONDS - 2}:d=2`

const folder = process.argv[2] ?? '.'
await encode(
  rawVideo(PICTURE_SCALE),
  [...'-frames:v 1 -q:v 4'.split(' '), join(folder, 'shoal.jpg')],
  () => swim(PICTURE_FRAME, PICTURE_SCALE),
)
await encode(
  [...rawVideo(1), ...sound],
  [
    // A key frame every two seconds and the cues in front: a player can seek before it has it all.
    ...'-c:v libvpx-vp9 -pix_fmt yuv420p -b:v 330k -g 50 -row-mt 1 -deadline good -cpu-used 2'.split(
      ' ',
    ),
    ...`-c:a libopus -b:a 48k -af ${fade} -t ${FILM_SECONDS} -cues_to_front 1`.split(' '),
    join(folder, 'shoal.webm'),
  ],
  () => swim(FILM_SECONDS * FRAMES_PER_SECOND, 1),
)
