// ag_ui.mjs: AG-UI's own client, whose verifier refuses events out of order.
//
//   node ag_ui.mjs http://127.0.0.1:8000/ag-ui/f
import { HttpAgent } from '@ag-ui/client';
import { obey, told } from './calls.mjs';

const agents = new Map();

// Runs in the background; the same thread and run may be asked for by more than one.
function begin(name, threadId, runId, content = 'Say it.') {
  const agent = new HttpAgent({ url: process.argv[2], threadId });
  agent.setMessages([{ id: 'q1', role: 'user', content }]);
  const seen = { types: [], agent };
  agents.set(name, seen);
  seen.end = agent.runAgent({ runId }, { onEvent: ({ event }) => { seen.types.push(event.type); } })
    .then(() => null, (error) => told(error));
}

const state = ({ agent, types }) => ({ messages: agent.messages, types });

await obey({
  begin,
  seen: (name) => state(agents.get(name)),
  end: async (name) => ({ error: await agents.get(name).end, ...state(agents.get(name)) }),
  abort: (name) => agents.get(name).agent.abortRun(),
});
