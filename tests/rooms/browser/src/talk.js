// A page with livekit-client alone: joins, publishes the microphone, listens, does what it is told to.
import { DisconnectReason, Room, RoomEvent, Track, version } from 'livekit-client';
import { listen, microphone, prepare } from './listening.js';
import { actWith, flush, note } from './telling.js';

/** `device`: the microphone is the one that the browser has; else one that is told what to say. */
async function talk({ url, token, device, publish }) {
  await prepare();
  const say = device ? undefined : microphone();
  const room = new Room();
  const taps = {};
  room
    .on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
      const name = publication.trackName;
      note('subscribed', {
        name,
        source: publication.source,
        who: participant.identity,
        agent: participant.isAgent,
      });
      track.attach();
      taps[name]?.();
      taps[name] = listen(name, track.mediaStreamTrack);
    })
    .on(RoomEvent.TrackUnsubscribed, (track, publication) =>
      note('unsubscribed', { name: publication.trackName }),
    )
    .on(RoomEvent.ParticipantAttributesChanged, (changed, participant) =>
      note('attributes', { changed, who: participant.identity }),
    )
    .on(RoomEvent.TranscriptionReceived, (segments, participant, publication) => {
      for (const { id, text, final } of segments)
        note('transcription', { id, text, final, who: participant?.identity, track: publication?.trackSid });
    })
    .on(RoomEvent.DataReceived, (payload, participant, kind, topic) =>
      note('data', { text: new TextDecoder().decode(payload), topic, reliable: kind === 0 }),
    )
    .on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
      note('speakers', { who: speakers.map((one) => one.identity) }),
    )
    .on(RoomEvent.ParticipantDisconnected, (participant) => note('left', { who: participant.identity }))
    .on(RoomEvent.ParticipantConnected, (participant) => note('came', { who: participant.identity }))
    .on(RoomEvent.Reconnecting, () => note('reconnecting'))
    .on(RoomEvent.SignalReconnecting, () => note('signal reconnecting'))
    .on(RoomEvent.Reconnected, () => note('reconnected'))
    .on(RoomEvent.Disconnected, (reason) =>
      note('disconnected', { reason: DisconnectReason[reason] ?? reason }),
    );
  room.registerTextStreamHandler('lk.transcription', async (reader, { identity }) => {
    const attributes = { ...reader.info.attributes };
    const chunks = [];
    for await (const chunk of reader) chunks.push(chunk);
    note('text', { who: identity, attributes, after: { ...reader.info.attributes }, chunks });
  });

  const remote = (name) =>
    [...room.remoteParticipants.values()]
      .flatMap((one) => [...one.trackPublications.values()])
      .find((one) => one.trackName === name);
  actWith({
    say,
    mute: () => room.localParticipant.setMicrophoneEnabled(false).then(() => undefined),
    unmute: () => room.localParticipant.setMicrophoneEnabled(true).then(() => undefined),
    async unpublish() {
      const publication = room.localParticipant.getTrackPublication(Track.Source.Microphone);
      await room.localParticipant.unpublishTrack(publication.track);
    },
    republish: () => room.localParticipant.setMicrophoneEnabled(true).then(() => undefined),
    reliable: (text) =>
      room.localParticipant.publishData(new TextEncoder().encode(text), { reliable: true }),
    lossy: (text) =>
      room.localParticipant.publishData(new TextEncoder().encode(text), { reliable: false }),
    attributes: (given) => room.localParticipant.setAttributes(given),
    unsubscribe: (name) => void remote(name).setSubscribed(false),
    subscribe: (name) => void remote(name).setSubscribed(true),
    loseSignal: () => room.simulateScenario('signal-reconnect'),
    fullReconnect: () => room.simulateScenario('full-reconnect'),
    sent: () => microphoneStats(room),
    async rpc() {
      const [agent] = room.remoteParticipants.values();
      try {
        await room.localParticipant.performRpc({ destinationIdentity: agent.identity, method: 'x', payload: '' });
      } catch (error) {
        note('rpc', { code: error.code });
      }
    },
    leave: () => room.disconnect(),
  });

  try {
    await room.connect(url, token);
  } catch (error) {
    note('refused', { message: String(error.message), status: error.status, reason: error.reasonName });
    return;
  }
  note('connected', {
    version,
    agents: [...room.remoteParticipants.values()].map((one) => ({
      identity: one.identity,
      agent: one.isAgent,
      attributes: { ...one.attributes },
    })),
    server: room.serverInfo?.version,
  });
  if (publish) {
    await room.localParticipant.setMicrophoneEnabled(true);
    const published = room.localParticipant.getTrackPublication(Track.Source.Microphone);
    note('published', { sid: published.trackSid });
    listen('microphone', published.track.mediaStreamTrack);
  }
  note('ready');
}

/** Tries to join with each of these tokens; what each was told, '' where it was let in. */
async function attempt({ url, tokens }) {
  actWith({ leave() {} });
  for (const [token, value] of Object.entries(tokens)) {
    const room = new Room();
    try {
      await room.connect(url, value);
      note('attempt', { token, refusal: '' });
      await room.disconnect();
    } catch (error) {
      note('attempt', { token, refusal: String(error.message) || 'refused' });
    }
  }
  note('ready');
}

/** Packets that the microphone has sent so far, and when that was counted, in milliseconds. */
async function microphoneStats(room) {
  const track = room.localParticipant.getTrackPublication(Track.Source.Microphone)?.track;
  for (const one of (await track?.getRTCStatsReport())?.values() ?? [])
    if (one.type === 'outbound-rtp') return { packets: one.packetsSent, counted: one.timestamp };
  return {};
}

window.run = async (given) => {
  await (given.tokens ? attempt(given) : talk(given));
  await flush();
};
