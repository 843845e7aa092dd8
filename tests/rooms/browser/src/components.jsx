// A page as the vendor's page describes it, in our own words: a fetch wrapper with the key, a session hook,
// LiveKit's React components for the room, and background_audio attached by hand.
import {
  LiveKitRoom,
  RoomAudioRenderer,
  useLocalParticipant,
  useRemoteParticipants,
  useTrackTranscription,
  useVoiceAssistant,
} from '@livekit/components-react';
import { ParticipantEvent, Track, version } from 'livekit-client';
import { useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { listen, microphone, prepare } from './listening.js';
import { actWith, flush, note } from './telling.js';

const can = { leave() {} };
actWith(can);

async function callApi({ server, key }, path, body) {
  const response = await fetch(`${server}/v1${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'x-api-key': key },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: response.status === 204 ? undefined : await response.json() };
}

function useSession(api) {
  const [state, setState] = useState('idle');
  const [session, setSession] = useState(null);
  useEffect(() => note('session', { state }), [state]);
  return {
    state,
    session,
    async connect(agentId, agentConfig) {
      setState('connecting');
      const { status, body } = await callApi(api, '/sessions/start', { agentId, agentConfig });
      note('started', { status, room: body.roomName, dispatched: body.agentDispatched });
      setSession(body);
      setState('connected');
    },
    async disconnect() {
      const { status } = await callApi(api, '/sessions/end', { roomName: session.roomName });
      note('ended', { status });
      setSession(null);
      setState('idle');
    },
  };
}

function Background() {
  const audio = useRef(null);
  const tracks = useRemoteParticipants().flatMap((one) => [...one.trackPublications.values()]);
  const track = tracks.find((one) => one.trackName === 'background_audio')?.track;
  useEffect(() => {
    if (!track) return undefined;
    track.attach(audio.current);
    const stop = listen('background_audio', track.mediaStreamTrack);
    can.attached = () => ({ count: track.attachedElements.length });
    return () => {
      stop();
      track.detach(audio.current);
    };
  }, [track]);
  return <audio ref={audio} autoPlay />;
}

function Captions({ who, publication, participant }) {
  const reference = publication && { publication, participant, source: Track.Source.Microphone };
  const { segments } = useTrackTranscription(reference);
  useEffect(() => {
    for (const { id, text, final } of segments) note('caption', { who, id, text, final });
  }, [segments, who]);
  return null;
}

function Conversation() {
  const { state, agent, audioTrack, agentTranscriptions } = useVoiceAssistant();
  const { microphoneTrack, localParticipant } = useLocalParticipant();
  useEffect(() => note('assistant', { state, agent: agent?.identity }), [state, agent]);
  // The hook takes the attributes of its render and listens from its effect on: what changes in between it does
  // not show before the next change. This looks when it begins to listen.
  useEffect(() => {
    if (!agent) return undefined;
    const tell = () => note('agent', { state: agent.attributes['lk.agent.state'] });
    tell();
    agent.on(ParticipantEvent.AttributesChanged, tell);
    return () => agent.off(ParticipantEvent.AttributesChanged, tell);
  }, [agent]);
  useEffect(() => {
    for (const { id, text, final } of agentTranscriptions) note('assistant says', { id, text, final });
  }, [agentTranscriptions]);
  const track = audioTrack?.publication?.track;
  const name = audioTrack?.publication?.trackName;
  useEffect(() => (track ? listen(name, track.mediaStreamTrack) : undefined), [track, name]);
  return (
    <>
      <Captions who="user" publication={microphoneTrack} participant={localParticipant} />
      {audioTrack && (
        <Captions who="agent" publication={audioTrack.publication} participant={audioTrack.participant} />
      )}
    </>
  );
}

function App({ api, agentId, agentConfig }) {
  const { state, session, connect, disconnect } = useSession(api);
  // What a user would press.
  can.start = () => connect(agentId, agentConfig);
  can.end = disconnect;
  if (state !== 'connected') return null;
  return (
    <LiveKitRoom
      serverUrl={session.livekitUrl}
      token={session.userToken}
      connect
      audio
      onConnected={() => note('in the room')}
      onDisconnected={(reason) => note('disconnected', { reason })}
      onError={(error) => note('error', { error: String(error) })}
    >
      <RoomAudioRenderer />
      <Background />
      <Conversation />
    </LiveKitRoom>
  );
}

window.run = async (given) => {
  await prepare();
  can.say = microphone();
  createRoot(document.body.appendChild(document.createElement('div'))).render(<App {...given} />);
  note('ready', { version });
  await flush();
};
