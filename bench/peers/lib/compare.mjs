// Collects figures of several rounds under (row, column) and compares them.
import { median } from './measure.mjs';

export class Figures {
  #rows = new Map();

  add(row, column, value) {
    const columns = this.#rows.get(row) ?? new Map();
    this.#rows.set(row, columns);
    columns.set(column, [...(columns.get(column) ?? []), value]);
  }

  // Of each row: the medians, every peer's ratio (medians of all rounds, Octavo over the peer), and how far the ratio of
  // single rounds strays.
  summarize(ours) {
    return [...this.#rows].map(([row, columns]) => {
      const mine = columns.get(ours);
      const peers = [...columns].filter(([name]) => name !== ours).map(([name, values]) => {
        const ratios = values.map((value, round) => mine[round] / value);
        return { peer: name, tokens_per_second: median(values), ratio: median(mine) / median(values), least: Math.min(...ratios), most: Math.max(...ratios) };
      });
      return { step: row, tokens_per_second: median(mine), peers, rounds: Object.fromEntries(columns) };
    });
  }
}

// A table of text: numbers to the right.
export function table(title, header, rows) {
  const cells = [header, ...rows];
  const widths = header.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd();
  return [title, line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line), ''].join('\n');
}
