// chat.jsx: what an app has of the AI SDK, in a browser.   ?gateway=http://127.0.0.1:8000&chat=c
import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';

const asked = new URLSearchParams(location.search);
const [gateway, id] = [asked.get('gateway'), asked.get('chat')];
const api = `${gateway}/ai-sdk/f`;
const transport = new DefaultChatTransport({
  api: `${api}?if_busy=replace`,
  prepareReconnectToStreamRequest: () => ({ api: `${api}/${id}/stream` }),
});

// An app keeps what was said; half an answer comes from the gateway.
const kept = JSON.parse(localStorage.getItem(id) ?? '[]');
const keep = (messages) => localStorage.setItem(id, JSON.stringify(messages));

const shown = ({ type, text, input }) =>
  text ?? (type.startsWith('tool-') ? `[${type} ${JSON.stringify(input)}]` : '');

function Chat() {
  const chat = useChat({
    id, transport, messages: kept, resume: true,
    onFinish: ({ messages, isDisconnect }) => isDisconnect || keep(messages),
  });
  useEffect(() => {
    window.app = {
      ...chat,
      ask(text) {
        chat.sendMessage({ text });
        keep([...chat.messages, { id: `q${chat.messages.length}`, role: 'user', parts: [{ type: 'text', text }] }]);
      },
      halt: () => fetch(`${api}/${id}`, { method: 'DELETE' }),
      said: chat.messages.map(({ role, parts }) => `${role}: ${parts.map(shown).join('')}`),
    };
  });
  return <p>{chat.status}</p>;
}

createRoot(document.getElementById('root')).render(<Chat />);
