// Drives a running server through the official OpenAI client and prints what it saw as one JSON object.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
const prompt = "Once upon a time";
const greedy = { model: "tales", prompt, max_tokens: 24, temperature: 0 };
const messages = [{ role: "user", content: "Tell me a story about a fox." }];

const models = [];
for await (const model of client.models.list()) {
  models.push(model.id);
}

const completion = await client.completions.create(greedy);

let streamed = "";
let streamedUsage = null;
for await (const chunk of await client.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } })) {
  streamed += chunk.choices[0]?.text ?? "";
  streamedUsage = chunk.usage ?? streamedUsage;
}

const several = await client.completions.create({ ...greedy, temperature: 0.9, seed: 1, n: 2 });
const stopped = await client.completions.create({ ...greedy, stop: [" time", completion.choices[0].text.slice(10, 14)] });
const scored = await client.completions.create({ ...greedy, max_tokens: 3, logprobs: 2 });
const chat = await client.chat.completions.create({ model: "tales", messages, max_tokens: 24, temperature: 0 });

let chatStreamed = "";
let role = null;
let finish = null;
for await (const chunk of await client.chat.completions.create({ model: "tales", messages, max_tokens: 24, temperature: 0, stream: true })) {
  role = chunk.choices[0]?.delta?.role ?? role;
  chatStreamed += chunk.choices[0]?.delta?.content ?? "";
  finish = chunk.choices[0]?.finish_reason ?? finish;
}

const chatScored = await client.chat.completions.create({
  model: "tales", messages, max_tokens: 3, temperature: 0, logprobs: true, top_logprobs: 2, n: 2, seed: 3, stop: ["zzz"],
});

const errors = {};
for (const [name, change] of Object.entries({ model: { model: "nobody" }, temperature: { temperature: 9e9, top_p: 7 } })) {
  try {
    await client.completions.create({ ...greedy, ...change });
    errors[name] = "accepted";
  } catch (e) {
    errors[name] = { status: e.status, param: e.param, code: e.code, message: e.message };
  }
}

console.log(JSON.stringify({
  models, completion, streamed, streamedUsage, several, stopped, scored, chat, chatStreamed, role, finish, chatScored, errors,
}));
