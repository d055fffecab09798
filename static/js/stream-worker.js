// The shared worker: one stream for all tabs of one account (its name carries the account). It ends when the last tab closes.

import { Exchange } from './exchange.js';

const ports = new Set();
let exchange = null;

const toAll = (message) => { for (const port of ports) port.postMessage(message); };

globalThis.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.kind === 'leave') { ports.delete(port); return; }
    ports.add(port);
    exchange ??= new Exchange(data.url, data.account, toAll);
    exchange.join(data.after, (message) => port.postMessage(message));
  };
};
