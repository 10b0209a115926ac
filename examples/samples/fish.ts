/**
 * A shoal that swims: every fish steers by its neighbors alone, from a seed, so that the film can be
 * made again. Positions are pixels of a frame of `FRAME_WIDTH` x `FRAME_HEIGHT`.
 * @module
 */

export const FRAME_WIDTH = 640
export const FRAME_HEIGHT = 360

export interface Fish {
  x: number
  y: number
  /** Pixels a frame. */
  vx: number
  vy: number
  /** 0 far and dim, 1 near and bright. */
  readonly nearness: number
}

const NEIGHBOR_PX = 44
const CLOSE_PX = 19
const SPEED_LEAST = 1.6
const SPEED_MOST = 3.4

/** Numbers in [0, 1) from a seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function createShoal(count: number, seed: number): Fish[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => {
    const angle = random() * 2 * Math.PI
    const radius = 40 + 60 * random()
    return {
      x: FRAME_WIDTH / 2 + radius * 1.6 * Math.cos(angle),
      y: FRAME_HEIGHT / 2 + radius * Math.sin(angle),
      vx: -2 * Math.sin(angle),
      vy: 2 * Math.cos(angle),
      nearness: random(),
    }
  })
}

/** One frame on: keep together, swim alike, keep apart, and follow a slow figure of eight. */
export function step(shoal: Fish[], frame: number): void {
  const phase = frame / 60
  const lureX = FRAME_WIDTH * (0.5 + 0.25 * Math.sin(phase))
  const lureY = FRAME_HEIGHT * (0.5 + 0.15 * Math.sin(2 * phase))
  const turns = shoal.map((fish) => turn(fish, shoal, lureX, lureY))
  shoal.forEach((fish, at) => {
    const [ax, ay] = turns[at] ?? [0, 0]
    const vx = fish.vx + ax
    const vy = fish.vy + ay
    const speed = Math.hypot(vx, vy) || 1
    const scale = Math.min(SPEED_MOST, Math.max(SPEED_LEAST, speed)) / speed
    fish.vx = vx * scale
    fish.vy = vy * scale
    fish.x += fish.vx
    fish.y += fish.vy
  })
}

function turn(fish: Fish, shoal: readonly Fish[], lureX: number, lureY: number): [number, number] {
  let neighbors = 0
  let [sumX, sumY, sumVx, sumVy, awayX, awayY] = [0, 0, 0, 0, 0, 0]
  for (const other of shoal) {
    const dx = other.x - fish.x
    const dy = other.y - fish.y
    const distance = Math.hypot(dx, dy)
    if (other === fish || distance > NEIGHBOR_PX) continue
    neighbors++
    sumX += dx
    sumY += dy
    sumVx += other.vx - fish.vx
    sumVy += other.vy - fish.vy
    if (distance < CLOSE_PX) {
      awayX -= dx / (distance + 0.5)
      awayY -= dy / (distance + 0.5)
    }
  }
  const share = neighbors === 0 ? 0 : 1 / neighbors
  const lure = 0.00045
  return [
    sumX * share * 0.004 + sumVx * share * 0.09 + awayX * 0.12 + (lureX - fish.x) * lure,
    sumY * share * 0.004 + sumVy * share * 0.09 + awayY * 0.12 + (lureY - fish.y) * lure,
  ]
}
