// Measures ONNX Runtime on the linear layers of a shape. One JSON object on standard output.
import os from 'node:os';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-node';
import { layerMatrices, shapes } from './lib/shapes.mjs';
import { kinds, makeModel } from './lib/onnx.mjs';
import { medianSeconds } from './lib/measure.mjs';

const { values: args } = parseArgs({
  options: {
    shape: { type: 'string', default: '1b' },
    kind: { type: 'string', default: 'int8-channel' },
    rows: { type: 'string', default: '1,8,16,32,64,128,512' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    layers: { type: 'string' },
    seconds: { type: 'string', default: '1' },
  },
});
const shape = shapes[args.shape];
if (!shape || !kinds[args.kind]) {
  throw new Error(`--shape takes ${Object.keys(shapes).join(', ')}; --kind takes ${Object.keys(kinds).join(', ')}`);
}

// Enough layers that no cache holds them until they are needed again, and no more than memory likes.
const layers = Number(args.layers ?? { '1b': 4 }[shape.name] ?? shape.layers);
const threads = Number(args.threads);
const session = await ort.InferenceSession.create(makeModel(shape, layers, args.kind), {
  executionProviders: ['cpu'],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
});
const weights = layers * layerMatrices(shape).reduce((sum, [, outputs, inputs]) => sum + outputs * inputs, 0);
const result = { peer: 'onnxruntime', version: ort.env.versions?.node, shape: shape.name, kind: args.kind, threads, layers, rows: [] };
for (const rows of args.rows.split(',').map(Number)) {
  process.stderr.write(`onnxruntime ${shape.name} ${args.kind}: ${rows} rows\n`);
  const x = new ort.Tensor('float32', Float32Array.from({ length: rows * shape.hidden }, (_, i) => ((i * 7919) % 1000) / 500 - 1), [rows, shape.hidden]);
  const { y } = await session.run({ x });
  if (!y.data.every(Number.isFinite) || !y.data.some((value) => value !== 0)) {
    throw new Error('the outputs are not numbers, or all zero: the figures would mean nothing');
  }

  const seconds = await medianSeconds(() => session.run({ x }), { seconds: Number(args.seconds), least: 5 });
  result.rows.push({
    rows,
    seconds,
    operations_per_second: (2 * weights * rows) / seconds,
    // As if the model were its linear layers only, all of them.
    tokens_per_second: (rows * layers) / shape.layers / seconds,
  });
}

console.log(JSON.stringify(result, null, 2));
