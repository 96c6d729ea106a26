// Measures llama.cpp on a random model: prefill, and decode at several batch sizes. One JSON object on standard output.
//
// Uses the prebuilt library of node-llama-cpp through its own low-level bindings: a call of llama_decode a step, and
// nothing of JavaScript between.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { shapes } from './lib/shapes.mjs';
import { tensorTypes, writeModel } from './lib/gguf.mjs';
import { medianSeconds } from './lib/measure.mjs';

const { values: args } = parseArgs({
  options: {
    shape: { type: 'string', default: '1b' },
    type: { type: 'string', default: 'q8_0' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    prompt: { type: 'string', default: '512' },
    batches: { type: 'string', default: '1,2,4,8,16,32,64' },
    contexts: { type: 'string', default: '128' },
    seconds: { type: 'string', default: '2' },
    cache: { type: 'string', default: path.join(os.tmpdir(), 'octavo-peers') },
    'make-only': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const shape = shapes[args.shape];
if (!shape || !tensorTypes.includes(args.type)) {
  throw new Error(`--shape takes ${Object.keys(shapes).join(', ')}; --type takes ${tensorTypes.join(', ')}`);
}

fs.mkdirSync(args.cache, { recursive: true });
const modelPath = path.join(args.cache, `${shape.name}-${args.type}.gguf`);
writeModel(modelPath, shape, args.type);
if (args['make-only']) {
  process.exit();
}

const threads = Number(args.threads);
const log = [];
const bindings = await loadBindings();
const model = new bindings.AddonModel(modelPath, { gpuLayers: 0, useMmap: false, useMlock: false, addonExports: bindings });
if (!(await model.init())) {
  throw new Error(`llama.cpp does not load ${modelPath}:\n${log.join('')}`);
}

const prompt = Number(args.prompt);
const result = {
  peer: 'llama.cpp',
  shape: shape.name,
  type: args.type,
  threads,
  system: bindings.systemInfo().trim(),
  backends: backendLines(),
  model_bytes: fs.statSync(modelPath).size,
  prefill: [],
  decode: [],
};
if (prompt > 0) {
  progress(`prefill ${prompt}`);
  const seconds = await measurePrefill(prompt);
  result.prefill.push({ tokens: prompt, seconds, tokens_per_second: prompt / seconds });
}

const batches = numbers(args.batches);
for (const context of batches.length > 0 ? numbers(args.contexts) : []) {
  await measureDecodes(batches, context, (batch, seconds) => {
    result.decode.push({ batch, context, seconds, tokens_per_second: batch / seconds });
  });
}

result.context = log.filter((line) => /flash_attn|n_ubatch|n_threads|KV buffer|REPACK|compute buffer/i.test(line)).map((line) => line.trim());
if (!args.verbose) {
  delete result.context;
}

console.log(JSON.stringify(result, null, 2));
await model.dispose();

async function loadBindings() {
  const folder = path.join(
    path.dirname(fileURLToPath(import.meta.resolve('@node-llama-cpp/linux-x64'))), '..', 'bins', 'linux-x64');
  const addon = createRequire(import.meta.url)(path.join(folder, 'llama-addon.node'));
  addon.setLogger((level, message) => log.push(message));
  addon.setLoggerLogLevel(5);
  addon.loadBackends();
  addon.loadBackends(folder);
  await addon.init();
  if (addon.getGpuType()) {
    throw new Error(`llama.cpp found a GPU (${addon.getGpuType()}); this benchmark compares processors`);
  }

  return addon;
}

// Which of the processor libraries llama.cpp took, as its log says.
function backendLines() {
  return log.filter((line) => /loaded .*backend|load_backend/i.test(line)).map((line) => path.basename(line.trim()));
}

async function withContext(sequences, length, use) {
  // Each sequence has a stream of cells of its own (kv_unified is off).
  const context = new bindings.AddonContext(model, {
    contextSize: sequences * Math.ceil((length + 8) / 256) * 256,
    batchSize: Math.max(prompt, 512),
    sequences,
    threads,
    flashAttention: 'auto',
  });
  if (!(await context.init())) {
    throw new Error(`llama.cpp makes no context:\n${log.join('')}`);
  }

  try {
    return await use(context);
  } finally {
    await context.dispose();
  }
}

function measurePrefill(length) {
  return withContext(1, length, (context) => medianSeconds(() => context.decodeBatch(), {
    before: () => {
      context.disposeSequence(0);
      context.initBatch(length);
      context.addToBatch(0, 0, tokens(length, 1), Uint32Array.of(length - 1));
    },
    warmUp: 1,
    least: 3,
    most: 9,
    seconds: Number(args.seconds),
  }));
}

// All batch sizes in one context, so that what stands behind the tokens is computed once.
function measureDecodes(batches, length, found) {
  const sequences = Math.max(...batches);
  return withContext(sequences, length, async (context) => {
    progress(`context ${length}`);
    const step = Math.max(prompt, 512);
    const ids = tokens(length, 2);
    for (let at = 0; at < length; at += step) {
      const part = ids.subarray(at, at + step);
      context.initBatch(part.length);
      context.addToBatch(0, at, part, new Uint32Array());
      await context.decodeBatch();
    }

    for (let sequence = 1; sequence < sequences && length > 0; sequence++) {
      await context.copySequenceStateFromOtherSequence(sequence, 0);
    }

    for (const batch of batches) {
      progress(`decode, batch ${batch}, context ${length}`);
      found(batch, await medianSeconds(() => context.decodeBatch(), {
        before: () => {
          context.initBatch(batch);
          for (let sequence = 0; sequence < batch; sequence++) {
            context.removeTokenCellsFromSequence(sequence, length, -1);
            context.addToBatch(sequence, length, Uint32Array.of((sequence * 7919) % shape.vocab), Uint32Array.of(0));
          }
        },
        seconds: Number(args.seconds),
      }));
    }
  });
}

function tokens(count, seed) {
  return Uint32Array.from({ length: count }, (_, i) => ((i + 1) * 7919 * seed) % shape.vocab);
}

function numbers(text) {
  return text === '' ? [] : text.split(',').map(Number);
}

function progress(text) {
  process.stderr.write(`llama.cpp ${shape.name} ${args.type}: ${text}\n`);
}
