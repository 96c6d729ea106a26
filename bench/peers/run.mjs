// Measures Octavo and its peers in alternation and prints ratios. See README.md, or --help.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Figures, table } from './lib/compare.mjs';
import { Measurements } from './lib/processes.mjs';
import { shapes } from './lib/shapes.mjs';

const usage = `Usage: node run.mjs [options]

Measures Octavo, llama.cpp and ONNX Runtime in alternation and prints ratios of their medians.

  --shape 135m|1b       the model's widths [default: 1b]
  --scheme S            how Octavo stores weights: a name that octavo bench model --scheme takes, or gguf: it reads
                        llama.cpp's file of --type [default: int8]
  --quantize-head P     how Octavo stores the output head: auto (eight bits at least), never, always. llama.cpp's random
                        model has it as its layers are [default: auto]
  --kv-cache-dtype D    how Octavo stores keys and values; llama.cpp stores them in 16 bits [default: auto]
  --part model|linear|all
                        whole models against llama.cpp, linear layers against ONNX Runtime, or both [default: all]
  --rounds N            how often all of it is repeated [default: 3]
  --threads N           threads of each [default: one a processor]
  --prompt N            tokens of the prompt that is prefilled; 0 leaves it out [default: 512]
  --batches N,N,…       sequences that decode at once [default: 1,2,4,8,16,32,64]
  --contexts N,N,…      tokens that each of them has behind it [default: 128]
  --type T              llama.cpp's type of weights: q4_k_m, too [default: q8_0, q4_0, f16 or bf16, by the scheme]
  --dtype T             how Octavo computes with llama.cpp's file: auto or float32 [default: auto]
  --kinds K,K,…         ONNX Runtime's ways to store weights [default: those of as many bits as the scheme has]
  --octavo PATH         the octavo program or Octavo.Cli.dll [default: this checkout's Release build]
  --with COMMAND        run each measurement through a command, such as 'taskset -c 0,1'
  --cache DIR           where random models are kept [default: ${path.join(os.tmpdir(), 'octavo-peers')}]
  --out FILE            where the figures are written as JSON [default: DIR/SHAPE-SCHEME-PART.json]
`;

// What compares with a scheme, by the beginning of its name.
const counterparts = [
  { scheme: /^int8/, type: 'q8_0', kinds: ['int8-channel', 'int8-128', 'int8-32'] },
  { scheme: /^int4/, type: 'q4_0', kinds: ['int4-128', 'int4-32'] },
  { scheme: /^bf16|^bfloat16/, type: 'bf16', kinds: [] },
  { scheme: /^fp16|^float16/, type: 'f16', kinds: [] },
];

// What went wrong, without the way there.
process.on('uncaughtException', (error) => {
  process.stderr.write(`error: ${error.message}\n`);
  process.exit(1);
});

const args = readArguments();
const measurements = new Measurements(args.octavo, args.with);
const common = ['--shape', args.shape, '--threads', args.threads];
const model = new Figures();
const linear = new Figures();
const raw = [];
for (let round = 1; round <= args.rounds; round++) {
  if (args.type) {
    await measureModels(round);
  }

  for (const kind of args.kinds) {
    await measureLinear(round, kind);
  }
}

const result = {
  shape: args.shape,
  scheme: args.scheme,
  threads: Number(args.threads),
  rounds: args.rounds,
  processor: os.cpus()[0].model,
  model: model.summarize('octavo'),
  linear: linear.summarize('octavo'),
  raw,
};
fs.mkdirSync(path.dirname(args.out), { recursive: true });
fs.writeFileSync(args.out, JSON.stringify(result, null, 2) + '\n');
print(`shape ${args.shape}, ${args.scheme} against llama.cpp ${args.type}: tokens/s, medians over rounds: ${args.rounds}`, result.model);
print(`shape ${args.shape}, ${args.scheme}, linear layers only: tokens/s, medians over rounds: ${args.rounds}`, result.linear);
console.log(`all figures: ${args.out}`);

function readArguments() {
  const options = Object.fromEntries(
    ['shape', 'scheme', 'quantize-head', 'kv-cache-dtype', 'part', 'rounds', 'threads', 'prompt', 'batches', 'contexts', 'type', 'kinds', 'octavo', 'with', 'cache', 'out', 'dtype']
      .map((name) => [name, { type: 'string' }]));
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
  if (values.help) {
    console.log(usage);
    process.exit();
  }

  const shape = oneOf('shape', values.shape ?? '1b', Object.keys(shapes));
  const part = oneOf('part', values.part ?? 'all', ['model', 'linear', 'all']);
  const scheme = values.scheme ?? 'int8';
  const like = counterparts.find((c) => c.scheme.test(scheme)) ?? { kinds: [] };
  const type = part === 'linear' ? undefined : values.type ?? like.type;
  const kinds = part === 'model' ? [] : values.kinds?.split(',') ?? like.kinds;
  if (!type && kinds.length === 0) {
    throw new Error(`no peer has a counterpart of scheme ${scheme}: name one with --type or --kinds`);
  }

  const cache = values.cache ?? path.join(os.tmpdir(), 'octavo-peers');
  const rounds = Number(values.rounds ?? 3);
  if (!(Number.isInteger(rounds) && rounds >= 1)) {
    throw new Error(`--rounds takes a whole number of at least 1; it is ${values.rounds}`);
  }

  return {
    ...values,
    shape,
    scheme,
    type,
    kinds,
    cache,
    rounds,
    threads: values.threads ?? String(os.availableParallelism()),
    prompt: values.prompt ?? '512',
    batches: values.batches ?? '1,2,4,8,16,32,64',
    contexts: values.contexts ?? '128',
    out: values.out ?? path.join(cache, `${shape}-${scheme}-${part}.json`),
  };
}

function oneOf(name, value, allowed) {
  if (!allowed.includes(value)) {
    throw new Error(`--${name} takes ${allowed.join(', ')}; it is ${value}`);
  }

  return value;
}

async function measureModels(round) {
  const steps = ['--prompt', args.prompt, '--batches', args.batches, '--contexts', args.contexts];
  progress(round, `llama.cpp ${args.type}`);
  const peer = await measurements.peer('llamacpp.mjs', ...common, '--type', args.type, '--cache', args.cache, ...steps);
  raw.push(peer);
  peer.prefill.forEach((step) => model.add(`prefill ${step.tokens}`, 'llama.cpp', step.tokens_per_second));
  peer.decode.forEach((step) => model.add(decodeName(step.batch, step.context), 'llama.cpp', step.tokens_per_second));

  progress(round, `octavo ${args.scheme}`);
  const storage = ['kv-cache-dtype', 'quantize-head', 'dtype'].flatMap((name) => (args[name] ? [`--${name}`, args[name]] : []));
  const weights = args.scheme === 'gguf'
    ? ['--model', path.join(args.cache, `${args.shape}-${args.type}.gguf`), '--threads', args.threads]
    : [...common, '--scheme', args.scheme];
  const ours = await measurements.octavo('bench', 'model', ...weights, ...storage, ...steps, '--json');
  raw.push(ours);
  for (const step of ours.models[0].steps) {
    const name = step.phase === 'prefill' ? `prefill ${step.tokens}` : decodeName(step.sequences, step.context);
    model.add(name, 'octavo', step.tokens_per_second);
  }
}

async function measureLinear(round, kind) {
  progress(round, `octavo ${args.scheme}, linear layers`);
  const ours = await measurements.octavo('bench', 'kernels', ...common, '--scheme', args.scheme, '--json');
  raw.push(ours);
  const seconds = layerSeconds(ours.kernels);

  progress(round, `onnxruntime ${kind}`);
  const peer = await measurements.peer('onnxruntime.mjs', ...common, '--kind', kind, '--rows', [...seconds.keys()].join(','));
  raw.push(peer);
  for (const step of peer.rows) {
    // A column of Octavo's own beside each kind: the two were measured one after the other.
    linear.add(`${kind}, ${step.rows} rows`, 'octavo', step.rows / (shapes[args.shape].layers * seconds.get(step.rows)));
    linear.add(`${kind}, ${step.rows} rows`, 'onnxruntime', step.tokens_per_second);
  }
}

// The time of one layer's matrices, by rows.
function layerSeconds(kernels) {
  const matrices = ['qkv', 'output', 'gate·up', 'down'];
  const seconds = new Map();
  for (const rows of new Set(kernels.map((k) => k.rows))) {
    const parts = matrices.map((name) => kernels.filter((k) => k.rows === rows && k.kernel.split(' ')[0] === name));
    if (parts.some((found) => found.length !== 1)) {
      throw new Error(`octavo bench kernels has not each of ${matrices.join(', ')} once at ${rows} rows`);
    }

    seconds.set(rows, parts.reduce((sum, [kernel]) => sum + kernel.seconds, 0));
  }

  return seconds;
}

function decodeName(batch, context) {
  return `decode, batch ${batch}, context ${context}`;
}

function print(title, steps) {
  if (steps.length > 0) {
    const number = (value, decimals) => value.toFixed(decimals);
    console.log(table(title, ['step', 'peer', 'octavo', 'ratio', 'rounds'], steps.flatMap((step) => step.peers.map((peer) => [
      step.step,
      number(peer.tokens_per_second, 1),
      number(step.tokens_per_second, 1),
      number(peer.ratio, 2),
      `${number(peer.least, 2)} … ${number(peer.most, 2)}`,
    ]))));
  }
}

function progress(round, what) {
  process.stderr.write(`round ${round} of ${args.rounds}: ${what}\n`);
}
