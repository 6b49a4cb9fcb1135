// calls.mjs: a client that does what it is told, line by line.
//
// Reads calls as lines of JSON, {call, args}, and answers each with a line, {value} or {error}.
// Ends with its input.
import { createInterface } from 'node:readline';

export async function obey(calls) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { call, args } = JSON.parse(line);
    let answer;
    try {
      answer = { value: (await calls[call](...args)) ?? null };
    } catch (error) {
      answer = { error: error.stack ?? String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0); // whatever is still open
}

// What a client's error says of itself.
export const told = (error) => ({
  name: error.constructor.name, message: error.message, status: error.status ?? null, code: error.code ?? null,
});
