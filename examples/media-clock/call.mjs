// A call on the media clock, as fast as this machine can: no audio is paced, and the reply is the same every time.
//
//   emu serve --clock media --provider lokutor
//   node call.mjs http://127.0.0.1:8090 question.wav reply.pcm        (Node 22; 20 with --experimental-websocket)
//
// The WAV is 16-bit mono of any rate. Behind it goes silence: on this clock time passes only while audio comes.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const [server, clip, out, chunk = "4096"] = process.argv.slice(2);
if (out === undefined) {
  console.error("usage: node call.mjs http://127.0.0.1:8090 question.wav reply.pcm [BYTES OF A MESSAGE]");
  process.exit(2);
}
if (globalThis.WebSocket === undefined) {
  console.error("this Node has no websocket: take version 22 or newer, or node --experimental-websocket call.mjs …");
  process.exit(2);
}
const SILENCE = 8; // seconds: the end of the turn, the agent's thinking and its reply
const PATIENCE = 10; // milliseconds between two looks

const wav = readFileSync(clip);
const rate = wav.readUInt32LE(24);
const start = wav.indexOf("data", 36) + 8;
const speech = wav.subarray(start, start + wav.readUInt32LE(start - 4));
// The clock ticks every 20 ms; a tick that is not full would wait for the rest.
const tick = Math.round(rate * 0.02) * 2;
const length = Math.ceil((speech.length + SILENCE * rate * 2) / tick) * tick;
const pcm = Buffer.concat([speech, Buffer.alloc(length - speech.length)]);

const reply = [];
let received = 0;
const pause = () => new Promise((done) => setTimeout(done, PATIENCE));
const ask = async (path) => (await fetch(server + path)).json();

const socket = new WebSocket(server.replace(/^http/, "ws") + "/ws/agent?api_key=local");
socket.binaryType = "arraybuffer";
socket.onmessage = ({ data }) => {
  if (typeof data === "string") return console.log(data);
  reply.push(Buffer.from(data));
  received += data.byteLength;
};
await new Promise((opened, failed) => ((socket.onopen = opened), (socket.onerror = failed)));

socket.send(JSON.stringify({ type: "rates", input: rate, playback: 44100 }));
for (let at = 0; at < pcm.length; at += Number(chunk)) {
  socket.send(pcm.subarray(at, at + Number(chunk)));
  while (socket.bufferedAmount > 1 << 20) await pause();
}

// A socket that is closed throws away what is on its way. So first: has all been heard, and has all been said?
const { id } = (await ask("/__emu/sessions")).sessions[0];
for (;;) {
  const { counters } = await ask(`/__emu/sessions/${id}`);
  if (counters.user_audio_sent_bytes === pcm.length && (counters.agent_audio_sent_bytes ?? 0) === received) break;
  await pause();
}
socket.close();

writeFileSync(out, Buffer.concat(reply));
const digest = createHash("sha256").update(Buffer.concat(reply)).digest("hex");
console.log(`${(pcm.length / 2 / rate).toFixed(1)} s called, ${(received / 2 / 44100).toFixed(2)} s heard, sha256 ${digest}`);
