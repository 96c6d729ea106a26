// Writes a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) of a Llama-like model with random
// weights. Only what a loader needs is there: no vocabulary, since the benchmark hands over token ids.
import fs from 'node:fs';
import { layerMatrices } from './shapes.mjs';
import { Random } from './random.mjs';

const ALIGNMENT = 32;
const VALUE = { uint32: 4, float32: 6, string: 8 };

// Weights of this standard deviation keep the activations of every shape finite.
const DEVIATION = 0.02;

// Of each tensor type: its number in the format, elements and bytes of a block, and how a random block is filled.
const types = {
  f32: { id: 0, elements: 1, bytes: 4, file: 0, fill: (view, at) => view.setFloat32(at, 1, true) },
  f16: { id: 1, elements: 1, bytes: 2, file: 1, fill: (view, at, random) => view.setUint16(at, half(random.uniform(DEVIATION * 1.7)), true) },
  bf16: { id: 30, elements: 1, bytes: 2, file: 32, fill: (view, at, random) => view.setUint16(at, bits(random.uniform(DEVIATION * 1.7)) >>> 16, true) },
  // 32 weights: a half-precision scale, then signed bytes.
  q8_0: { id: 8, elements: 32, bytes: 34, file: 7, fill: (view, at, random) => fillBlock(view, at, random, 16 * 2, DEVIATION / 73) },
  // 32 weights: a half-precision scale, then nibbles that stand for −8 … 7.
  q4_0: { id: 2, elements: 32, bytes: 18, file: 2, fill: (view, at, random) => fillBlock(view, at, random, 16, DEVIATION / 4.6) },
  // 256 weights: what scales and minimums are multiplied with, these in six bits, nibbles.
  q4_k: { id: 12, elements: 256, bytes: 144, fill: (view, at, random) => fillSuperBlock(view, at, random) },
  // 256 weights: four lower bits, two higher, scales of eight bits, what they are multiplied with.
  q6_k: { id: 14, elements: 256, bytes: 210, fill: (view, at, random) => fillSixBits(view, at, random) },
};

// What llama.cpp's quantizer mixes: some matrices at six bits, and the embedding, which is the head.
const mixes = {
  q4_k_m: { file: 15, typeOf: (name, layer, layers) => (isSensitive(name, layer, layers) ? types.q6_k : types.q4_k) },
};

// use_more_bits of llama-quant.cpp: of values and down matrices the first and last eighth, and every third between.
function isSensitive(name, layer, layers) {
  const more = layer < layers / 8 || layer >= (7 * layers) / 8 || (layer - Math.trunc(layers / 8)) % 3 === 2;
  return name === 'token_embd' || (more && (name === 'attn_v' || name === 'ffn_down'));
}

export const tensorTypes = [...Object.keys(types).filter((name) => types[name].file > 0), ...Object.keys(mixes)];

// Makes the file where it is not there already.
export function writeModel(path, shape, typeName) {
  if (fs.existsSync(path)) {
    return;
  }

  const mix = mixes[typeName] ?? { file: types[typeName].file, typeOf: () => types[typeName] };
  const tensors = listTensors(shape, mix.typeOf);
  let offset = 0;
  for (const tensor of tensors) {
    tensor.offset = offset;
    offset = align(offset + tensor.bytes);
  }

  const header = makeHeader(shape, mix.file, tensors);
  const unfinished = `${path}.${process.pid}.tmp`;
  const file = fs.openSync(unfinished, 'w');
  try {
    const start = align(header.length);
    fs.writeSync(file, header, 0, header.length, 0);
    const noise = new Map();
    for (const tensor of tensors) {
      writeTensor(file, start + tensor.offset, tensor, noise);
    }

    fs.ftruncateSync(file, start + offset);
  } finally {
    fs.closeSync(file);
  }

  fs.renameSync(unfinished, path);
}

function listTensors(shape, typeOf) {
  const names = { q: 'attn_q', k: 'attn_k', v: 'attn_v', o: 'attn_output', gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' };
  const make = (name, kind, ...dimensions) => {
    const elements = dimensions.reduce((a, b) => a * b);
    return { name: `${name}.weight`, type: kind, dimensions, bytes: (elements / kind.elements) * kind.bytes };
  };

  // Dimensions are written innermost first: input features, then output features.
  const tensors = [make('token_embd', typeOf('token_embd'), shape.hidden, shape.vocab), make('output_norm', types.f32, shape.hidden)];
  for (let layer = 0; layer < shape.layers; layer++) {
    tensors.push(make(`blk.${layer}.attn_norm`, types.f32, shape.hidden), make(`blk.${layer}.ffn_norm`, types.f32, shape.hidden));
    for (const [name, outputs, inputs] of layerMatrices(shape)) {
      tensors.push(make(`blk.${layer}.${names[name]}`, typeOf(names[name], layer, shape.layers), inputs, outputs));
    }
  }

  return tensors;
}

function makeHeader(shape, fileType, tensors) {
  const fields = [
    ['general.architecture', 'string', 'llama'],
    ['general.name', 'string', `random ${shape.name}`],
    ['general.alignment', 'uint32', ALIGNMENT],
    ['general.file_type', 'uint32', fileType],
    ['general.quantization_version', 'uint32', 2],
    ['llama.vocab_size', 'uint32', shape.vocab],
    ['llama.context_length', 'uint32', 8192],
    ['llama.embedding_length', 'uint32', shape.hidden],
    ['llama.block_count', 'uint32', shape.layers],
    ['llama.feed_forward_length', 'uint32', shape.intermediate],
    ['llama.rope.dimension_count', 'uint32', shape.headDim],
    ['llama.rope.freq_base', 'float32', 10000],
    ['llama.attention.head_count', 'uint32', shape.heads],
    ['llama.attention.head_count_kv', 'uint32', shape.kvHeads],
    ['llama.attention.layer_norm_rms_epsilon', 'float32', 1e-5],
    ['tokenizer.ggml.model', 'string', 'no_vocab'],
  ];
  const out = new Writer();
  out.bytes(Buffer.from('GGUF')).uint32(3).uint64(tensors.length).uint64(fields.length);
  for (const [name, type, value] of fields) {
    out.string(name).uint32(VALUE[type])[type](value);
  }

  for (const tensor of tensors) {
    out.string(tensor.name).uint32(tensor.dimensions.length);
    tensor.dimensions.forEach((dimension) => out.uint64(dimension));
    out.uint32(tensor.type.id).uint64(tensor.offset);
  }

  return out.toBuffer();
}

// Tensors repeat one stretch of random blocks, each from a place of its own: making a gigabyte of them would take long,
// and nobody's speed depends on it.
function writeTensor(file, position, tensor, noise) {
  const blocks = 1 << 17;
  if (!noise.has(tensor.type)) {
    const random = new Random(tensor.type.id + 1);
    const buffer = Buffer.alloc(blocks * tensor.type.bytes);
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    for (let i = 0; i < blocks; i++) {
      tensor.type.fill(view, i * tensor.type.bytes, random);
    }

    noise.set(tensor.type, buffer);
  }

  const source = noise.get(tensor.type);
  let at = (((position / ALIGNMENT) % blocks) | 0) * tensor.type.bytes;
  for (let written = 0; written < tensor.bytes; at = 0) {
    const length = Math.min(source.length - at, tensor.bytes - written);
    fs.writeSync(file, source, at, length, position + written);
    written += length;
  }
}

function fillBlock(view, at, random, bytes, scale) {
  view.setUint16(at, half(scale), true);
  for (let i = 0; i < bytes; i += 4) {
    view.setUint32(at + 2 + i, random.next(), true);
  }
}

function fillSuperBlock(view, at, random) {
  for (let i = 4; i < 144; i += 4) {
    view.setUint32(at + i, random.next(), true);
  }

  // Of six bits, 32 in the middle: a code is 0 … 15, 7.5 in the middle.
  view.setUint16(at, half(DEVIATION / 4.6 / 32), true);
  view.setUint16(at + 2, half((DEVIATION / 4.6 / 32) * 7.5), true);
}

function fillSixBits(view, at, random) {
  for (let i = 0; i < 208; i += 4) {
    view.setUint32(at + i, random.next(), true);
  }

  view.setUint16(at + 208, half(DEVIATION / 18.5 / 64), true);
}

const scratch = new DataView(new ArrayBuffer(4));

function bits(value) {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

// Half precision, cut off rather than rounded; what is too small for a normal number becomes zero.
function half(value) {
  const single = bits(value);
  const exponent = ((single >>> 23) & 0xff) - 127 + 15;
  return ((single >>> 16) & 0x8000) | (exponent < 1 ? 0 : (exponent << 10) | ((single >>> 13) & 0x3ff));
}

const align = (offset) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

class Writer {
  #parts = [];

  bytes(buffer) {
    this.#parts.push(buffer);
    return this;
  }

  #number(size, write) {
    const buffer = Buffer.alloc(size);
    write(buffer);
    return this.bytes(buffer);
  }

  uint32(value) {
    return this.#number(4, (b) => b.writeUInt32LE(value));
  }

  uint64(value) {
    return this.#number(8, (b) => b.writeBigUInt64LE(BigInt(value)));
  }

  float32(value) {
    return this.#number(4, (b) => b.writeFloatLE(value));
  }

  string(text) {
    const encoded = Buffer.from(text);
    return this.uint64(encoded.length).bytes(encoded);
  }

  toBuffer() {
    return Buffer.concat(this.#parts);
  }
}
