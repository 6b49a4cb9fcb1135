// openai.mjs: OpenAI's own client.   node openai.mjs http://127.0.0.1:8000/v1
import OpenAI from 'openai';
import { obey, told } from './calls.mjs';

const client = new OpenAI({ apiKey: 'none', baseURL: process.argv[2], maxRetries: 0 });
const messages = [{ role: 'user', content: 'Say it.' }];
const streams = new Map();

// One that is read in the background, by the helper that puts chunks together and checks them.
function begin(name, members = {}, headers = {}) {
  const stream = client.chat.completions.stream({ model: 'f', messages, ...members }, { headers });
  const seen = { text: '', chunks: 0, stream };
  streams.set(name, seen);
  stream.on('content', (delta) => { seen.text += delta; });
  stream.on('chunk', () => { seen.chunks += 1; });
  seen.end = stream.finalChatCompletion().then((answer) => ({ answer }), (error) => ({ error: told(error) }));
}

await obey({
  begin,
  seen: (name) => streams.get(name).text,
  end: (name) => streams.get(name).end,
  abort: (name) => streams.get(name).stream.abort(),
  whole: (members = {}, headers = {}) => client.chat.completions
    .create({ model: 'f', messages, ...members }, { headers })
    .then((answer) => ({ answer }), (error) => ({ error: told(error) })),
});
