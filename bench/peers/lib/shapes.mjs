// The shapes of `octavo bench`: Llama-like decoders with an embedding tied to the output head.
export const shapes = {
  '135m': { name: '135m', hidden: 576, layers: 30, heads: 9, kvHeads: 3, headDim: 64, intermediate: 1536, vocab: 49152 },
  '1b': { name: '1b', hidden: 2048, layers: 16, heads: 32, kvHeads: 8, headDim: 64, intermediate: 8192, vocab: 128256 },
};

// One layer's matrices: [name, output features, input features].
export function layerMatrices(shape) {
  const queries = shape.heads * shape.headDim;
  const keys = shape.kvHeads * shape.headDim;
  return [
    ['q', queries, shape.hidden],
    ['k', keys, shape.hidden],
    ['v', keys, shape.hidden],
    ['o', shape.hidden, queries],
    ['gate', shape.intermediate, shape.hidden],
    ['up', shape.intermediate, shape.hidden],
    ['down', shape.hidden, shape.intermediate],
  ];
}
