/**
 * Charts as SVG text: lines over axes that may be logarithmic, ours solid and what others published
 * dashed. Readable on light and dark pages.
 * @module
 */

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** What somebody else published, or what is to be reached. */
  readonly isReference?: boolean
}

export interface Axis {
  readonly label: string
  readonly isLog?: boolean
  readonly from?: number
  readonly to?: number
}

export interface Chart {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

interface Scale {
  readonly ticks: readonly number[]
  at(value: number): number
}

const WIDTH = 720
const FRAME = { left: 64, right: 696, top: 44, bottom: 340 }
const COLORS = ['#1f77b4', '#d9541e', '#2a9d4a', '#9467bd', '#8c6d31', '#c2408f', '#17a2b8']
const LEGEND_COLUMNS = 2
const LEGEND_ROW = 17

/** The whole file. Points with a value that an axis cannot show (0 on a log axis) are left out. */
export function drawChart(chart: Chart): string {
  const x = scaleOf(chart.x, {
    values: chart.series.flatMap(xsOf),
    pixels: [FRAME.left, FRAME.right],
  })
  const y = scaleOf(chart.y, {
    values: chart.series.flatMap(ysOf),
    pixels: [FRAME.bottom, FRAME.top],
  })
  const rows = Math.ceil(chart.series.length / LEGEND_COLUMNS)
  const height = FRAME.bottom + 58 + rows * LEGEND_ROW
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(WIDTH / 2, 22, chart.title, 'text-anchor="middle" font-size="15" font-weight="bold"'),
    ...x.ticks.map((tick) => verticalTick(x.at(tick), tick)),
    ...y.ticks.map((tick) => horizontalTick(y.at(tick), tick)),
    text((FRAME.left + FRAME.right) / 2, FRAME.bottom + 36, chart.x.label, 'text-anchor="middle"'),
    text(0, 0, chart.y.label, `text-anchor="middle" transform="translate(16 190) rotate(-90)"`),
    ...chart.series.map((series, index) => drawSeries(series, colorOf(index), { x, y })),
    ...chart.series.map((series, index) => legend(series, index)),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function xsOf({ points }: Series): number[] {
  return points.map(([x]) => x)
}

function ysOf({ points }: Series): number[] {
  return points.map(([, y]) => y)
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length] as string
}

function scaleOf(
  axis: Axis,
  of: { values: readonly number[]; pixels: readonly [number, number] },
): Scale {
  const shown = of.values.filter((value) => axis.isLog !== true || value > 0)
  const from = axis.from ?? Math.min(...shown)
  const to = Math.max(axis.to ?? Math.max(...shown), from + 1e-9)
  const place = (value: number): number =>
    axis.isLog === true
      ? Math.log(value / from) / Math.log(to / from)
      : (value - from) / (to - from)
  const [start, end] = of.pixels
  const ticks = axis.isLog === true ? logTicks(from, to) : evenTicks(from, to)
  return { ticks, at: (value) => start + place(value) * (end - start) }
}

function logTicks(from: number, to: number): number[] {
  const steps = to / from > 200 ? [1] : [1, 2, 5]
  const ticks: number[] = []
  for (let decade = 10 ** Math.floor(Math.log10(from)); decade <= to; decade *= 10) {
    for (const step of steps) ticks.push(decade * step)
  }
  return ticks.filter((tick) => tick >= from * 0.999 && tick <= to * 1.001)
}

function evenTicks(from: number, to: number): number[] {
  const rough = (to - from) / 6
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = decade * ([1, 2, 5, 10].find((factor) => factor * decade >= rough) as number)
  const first = Math.ceil(from / step)
  const count = Math.floor(to / step + 1e-6) - first + 1
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toFixed(6)))
}

function drawSeries(series: Series, color: string, { x, y }: { x: Scale; y: Scale }): string {
  const dash = series.isReference === true ? ' stroke-dasharray="6 4"' : ''
  const places = series.points
    .map(([a, b]) => [x.at(a), y.at(b)] as const)
    .filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
    .map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`)
  const dots = places.map((place) => {
    const [cx, cy] = place.split(',')
    return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`
  })
  const line = `<polyline points="${places.join(' ')}" fill="none" stroke="${color}" stroke-width="2"${dash}/>`
  return [line, ...dots].join('')
}

function legend(series: Series, index: number): string {
  const left = FRAME.left + (index % LEGEND_COLUMNS) * 320
  const top = FRAME.bottom + 58 + Math.floor(index / LEGEND_COLUMNS) * LEGEND_ROW
  const dash = series.isReference === true ? ' stroke-dasharray="6 4"' : ''
  const line = `<line x1="${left}" y1="${top - 4}" x2="${left + 26}" y2="${top - 4}" stroke="${colorOf(index)}" stroke-width="2"${dash}/>`
  return line + text(left + 32, top, series.name, '')
}

function verticalTick(at: number, value: number): string {
  const line = `<line x1="${at}" y1="${FRAME.top}" x2="${at}" y2="${FRAME.bottom}" stroke="#dddddd"/>`
  return line + text(at, FRAME.bottom + 16, worded(value), 'text-anchor="middle"')
}

function horizontalTick(at: number, value: number): string {
  const line = `<line x1="${FRAME.left}" y1="${at}" x2="${FRAME.right}" y2="${at}" stroke="#dddddd"/>`
  return line + text(FRAME.left - 6, at + 4, worded(value), 'text-anchor="end"')
}

function worded(value: number): string {
  return value >= 1000 ? value.toLocaleString('en-US') : String(Number(value.toPrecision(3)))
}

function text(x: number, y: number, words: string, attributes: string): string {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${x}" y="${y}" fill="#222222" ${attributes}>${safe}</text>`
}
