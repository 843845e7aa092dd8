// What a page really hears of a track, not the mere fact of a subscription; and what it says into its microphone.
// Levels are taken in the audio thread, of every 20 ms of sound: a page that is short of time misses none of it.
import { tell } from './telling.js';

const EAR = `
registerProcessor('ear', class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.power = 0;
    this.samples = 0;
    this.over = false;
    this.port.onmessage = () => (this.over = true);
  }
  process([[channel]]) {
    for (let at = 0; at < 128; at++) {
      if (channel) this.power += channel[at] * channel[at];
      if (++this.samples === 960) {
        this.port.postMessage(Math.sqrt(this.power / 960));
        this.power = this.samples = 0;
      }
    }
    return !this.over;
  }
});`;

let context;

/** Before anything is listened to. */
export async function prepare() {
  context = new AudioContext({ sampleRate: 48000 });
  const script = URL.createObjectURL(new Blob([EAR], { type: 'text/javascript' }));
  await context.audioWorklet.addModule(script);
  await context.resume();
}

/** Tells the level of every 20 ms of a MediaStreamTrack; answers what ends that. */
export function listen(name, mediaStreamTrack) {
  const source = context.createMediaStreamSource(new MediaStream([mediaStreamTrack]));
  const ear = new AudioWorkletNode(context, 'ear');
  ear.port.onmessage = ({ data }) => tell({ heard: [name, Date.now(), Math.round(data * 1e5) / 1e5] });
  // Its output is silence; what leads nowhere might not be run.
  source.connect(ear).connect(context.destination);
  return () => {
    ear.port.onmessage = null;
    ear.port.postMessage('over');
    source.disconnect();
    ear.disconnect();
  };
}

/** Puts a microphone in the place of the machine's: silent but for what say() is given, a WAV file in base64. */
export function microphone() {
  const mouth = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  const always = context.createConstantSource();
  always.offset.value = 0;
  always.connect(mouth);
  always.start();
  const [track] = mouth.stream.getAudioTracks();
  navigator.mediaDevices.getUserMedia = async () => {
    const taken = track.clone();
    // What is asked of a device (no echo, no noise, this one and no other), this one has.
    taken.applyConstraints = async () => {};
    return new MediaStream([taken]);
  };
  return async function say(wav) {
    const bytes = Uint8Array.from(atob(wav), (one) => one.charCodeAt(0));
    const spoken = context.createBufferSource();
    spoken.buffer = await context.decodeAudioData(bytes.buffer);
    spoken.connect(mouth);
    await new Promise((said) => {
      spoken.onended = said;
      spoken.start();
    });
  };
}
