// Asks a server that answers in lines, for Redis and NATS: just enough to see whether it stores a record.

import { connect } from 'node:net';

const ATTEMPT_MS = 2;
const GIVE_UP_MS = 60_000;

/** Resolves with the time (`process.hrtime`) at which the server first answered what was asked for. */
export async function firstAnswer(
  address: string,
  question: string,
  isAnswer: (text: string) => boolean,
): Promise<bigint> {
  const giveUp = performance.now() + GIVE_UP_MS;
  while (performance.now() < giveUp) {
    if (await ask(address, question, isAnswer)) return process.hrtime.bigint();
    await new Promise((resolve) => setTimeout(resolve, ATTEMPT_MS));
  }
  throw new Error(`${address} was not ready in time`);
}

function ask(address: string, question: string, isAnswer: (text: string) => boolean): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host, port: Number(port) }, () => socket.write(question));
    socket.setEncoding('utf8');
    socket.setTimeout(200, () => socket.destroy());
    socket.on('data', (part: string) => {
      text += part;
      if (isAnswer(text)) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(isAnswer(text)));
  });
}
