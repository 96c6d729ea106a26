// Random numbers that are the same in every run (xorshift32, seeded).
export class Random {
  #state;

  constructor(seed) {
    this.#state = (seed * 2654435761) >>> 0 || 1;
  }

  // 32 random bits.
  next() {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  // Uniform in [-limit, limit).
  uniform(limit) {
    return (this.next() / 2 ** 31 - 1) * limit;
  }
}
