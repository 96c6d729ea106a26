// The median of at least `least` timed runs, after warming up; more of them while they fit into `seconds`.
// `before` is not timed.
export async function medianSeconds(run, { before = () => {}, warmUp = 2, least = 5, most = 41, seconds = 2 } = {}) {
  for (let i = 0; i < warmUp; i++) {
    await before();
    await run();
  }

  const times = [];
  const began = performance.now();
  while (times.length < least || (times.length < most && performance.now() - began < seconds * 1000)) {
    await before();
    const start = process.hrtime.bigint();
    await run();
    times.push(Number(process.hrtime.bigint() - start) / 1e9);
  }

  return median(times);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
