// Writes an ONNX model (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): the linear layers of a Llama-like
// decoder, one behind the other, with random weights. No norms, no attention, no output head.
import { layerMatrices } from './shapes.mjs';
import { Random } from './random.mjs';

const ELEMENT = { float: 1, uint8: 2, int8: 3 };

// How the layers can be stored: what ONNX Runtime offers for 8 and 4 bits on a processor.
export const kinds = {
  'int8-channel': { op: 'DynamicQuantizeMatMul', bits: 8 },
  'int8-32': { op: 'MatMulNBits', bits: 8, block: 32 },
  'int8-128': { op: 'MatMulNBits', bits: 8, block: 128 },
  'int4-32': { op: 'MatMulNBits', bits: 4, block: 32 },
  'int4-128': { op: 'MatMulNBits', bits: 4, block: 128 },
};

// The model as bytes, input `x` and output `y`, both `[rows, hidden]`.
export function makeModel(shape, layers, kind) {
  const graph = new Graph(kinds[kind]);
  let x = 'x';
  for (let i = 0; i < layers; i++) {
    x = addLayer(graph, shape, `l${i}.`, x, i === layers - 1 ? 'y' : `l${i}.y`);
  }

  return graph.toModel(shape.hidden);
}

// Keys and values have no attention to go to; their means are added to the output, so that nothing is left out as unused.
function addLayer(graph, shape, prefix, x, y) {
  const matrices = Object.fromEntries(layerMatrices(shape).map(([name, outputs, inputs]) => [name, [outputs, inputs]]));
  const linear = (name, input) => graph.linear(prefix + name, input, ...matrices[name]);
  const q = linear('q', x);
  const k = graph.node('ReduceMean', [linear('k', x)], prefix + 'kr', [ints('axes', [1])]);
  const v = graph.node('ReduceMean', [linear('v', x)], prefix + 'vr', [ints('axes', [1])]);
  const o = linear('o', q);
  const inner = graph.node('Add', [linear('gate', o), linear('up', o)], prefix + 'm');
  const down = linear('down', inner);
  return graph.node('Add', [graph.node('Add', [down, k], prefix + 'yk'), v], y);
}

class Graph {
  #kind;
  #nodes = [];
  #initializers = [];
  #noise;

  constructor(kind) {
    this.#kind = kind;
    const random = new Random(7);
    this.#noise = Buffer.alloc(1 << 22);
    for (let i = 0; i < this.#noise.length; i++) {
      const byte = random.next() >>> 24;
      // Nibbles stand for −8 … 7. Without −8 their mean is zero; else a constant would grow from layer to layer.
      this.#noise[i] = kind.bits === 4 ? nonZero(byte >> 4) * 16 + nonZero(byte & 15) : byte;
    }
  }

  node(op, inputs, output, attributes = [], domain = '') {
    this.#nodes.push(message(
      ...inputs.map((input) => text(1, input)), text(2, output), text(4, op), ...attributes.map((a) => bytes(5, a)), text(7, domain)));
    return output;
  }

  // x · Wᵀ with random W of [outputs, inputs]; scaled so that outputs are about as large as inputs.
  linear(name, input, outputs, inputs) {
    const { op, bits, block } = this.#kind;
    const deviation = bits === 8 ? 73.9 : 4.6;
    const scale = 1 / (deviation * Math.sqrt(inputs));
    if (op === 'DynamicQuantizeMatMul') {
      this.#tensor(name + '.w', 'int8', [inputs, outputs], this.#random(inputs * outputs));
      this.#tensor(name + '.s', 'float', [outputs], floats(outputs, scale));
      return this.node(op, [input, name + '.w', name + '.s'], name, [], 'com.microsoft');
    }

    const blocks = Math.ceil(inputs / block);
    const blob = (block * bits) / 8;
    this.#tensor(name + '.w', 'uint8', [outputs, blocks, blob], this.#random(outputs * blocks * blob));
    this.#tensor(name + '.s', 'float', [outputs * blocks], floats(outputs * blocks, scale));
    // Accuracy level 4: activations are quantized to int8 and multiplied as integers.
    const attributes = [int('K', inputs), int('N', outputs), int('bits', bits), int('block_size', block), int('accuracy_level', 4)];
    return this.node(op, [input, name + '.w', name + '.s'], name, attributes, 'com.microsoft');
  }

  toModel(width) {
    const rows = (name) => message(text(1, name), bytes(2, message(bytes(1, message(
      integer(1, ELEMENT.float), bytes(2, message(bytes(1, message(text(2, 'rows'))), bytes(1, message(integer(1, width))))))))));
    const graph = message(
      ...this.#nodes.map((node) => bytes(1, node)),
      text(2, 'linear layers'),
      ...this.#initializers.flatMap((parts) => [length(5, parts), ...parts]),
      bytes(11, rows('x')),
      bytes(12, rows('y')));
    const opset = (domain, version) => bytes(8, message(text(1, domain), integer(2, version)));
    return message(integer(1, 8), text(2, 'octavo-peers'), bytes(7, graph), opset('', 13), opset('com.microsoft', 1));
  }

  #tensor(name, type, dimensions, data) {
    // Kept in parts: the data are many megabytes, copied once at the end.
    this.#initializers.push([
      ...dimensions.map((d) => integer(1, d)), integer(2, ELEMENT[type]), text(8, name), length(9, [data]), data]);
  }

  #random(count) {
    const data = Buffer.allocUnsafe(count);
    let from = (this.#initializers.length * 4099) % this.#noise.length;
    for (let at = 0; at < count; from = 0) {
      at += this.#noise.copy(data, at, from, Math.min(this.#noise.length, from + count - at));
    }

    return data;
  }
}

function nonZero(nibble) {
  return nibble || 8;
}

function floats(count, value) {
  return Buffer.from(new Float32Array(count).fill(value).buffer);
}

// Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/): a message is its fields one behind
// another, each a key (number and wire type) and a value.
const message = (...parts) => Buffer.concat(parts);
const key = (field, wireType) => varint(field * 8 + wireType);
const integer = (field, value) => Buffer.concat([key(field, 0), varint(value)]);
const length = (field, parts) => Buffer.concat([key(field, 2), varint(parts.reduce((sum, part) => sum + part.length, 0))]);
const bytes = (field, value) => Buffer.concat([length(field, [value]), value]);
const text = (field, value) => bytes(field, Buffer.from(value));

// Attributes (AttributeProto): name, value, and the value's type.
const int = (name, value) => message(text(1, name), integer(3, value), integer(20, 2));
const ints = (name, values) => message(text(1, name), ...values.map((v) => integer(8, v)), integer(20, 7));

function varint(value) {
  const out = [];
  for (; value > 127; value = Math.floor(value / 128)) {
    out.push((value % 128) + 128);
  }

  return Buffer.from([...out, value]);
}
