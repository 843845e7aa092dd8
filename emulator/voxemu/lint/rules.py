"""The rules a client may break: one entry a code, the same for every provider.

Codes are stable: they stand in recordings and in people's tests. What a provider's own page says about a
rule, and which rules a provider does not have, is in ``pages``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    title: str
    rule: str
    why: str
    fix: str
    everywhere: bool = True
    # False: only where a provider's page says so.


_RULES = (
    # --- how audio is cut and paced
    Rule(
        "F-FRAME-SIZE",
        "audio messages of a size that the page advises against",
        "Cut the audio into messages of the length that the page gives.",
        "Long messages add their own length to every reaction, and a barge-in is noticed that much later; "
        "very short ones cost more in overhead than in audio.",
        "Collect what the microphone callback gives, send it in pieces of the advised length, and keep the "
        "rest for the next callback.",
        everywhere=False,
    ),
    Rule(
        "F-PACE-BURST",
        "more audio at once than a microphone can have captured",
        "Send audio as it is captured, in real time.",
        "Speech detection, endpointing and barge-in happen in the provider's real time. A file sent in "
        "one go is taken for speech that goes on long after the last message; some services drop what "
        "they cannot hold.",
        "Send message n of a clip at start + n * its length, counted from the start rather than by sleeping "
        "the same time after each. A microphone callback that gives 256 ms at a time is no burst.",
    ),
    Rule(
        "F-PACE-FAST",
        "audio faster than real time",
        "Send audio as it is captured, in real time.",
        "The provider falls behind what was said: replies and interruptions come late, and later with "
        "every second.",
        "Pace by a clock: message n of a clip is due at start + n * its length. If a microphone is the "
        "source, see F-RATE-APPARENT: its rate may not be the one you think.",
    ),
    Rule(
        "F-PACE-SLOW",
        "audio slower than real time",
        "Send audio as it is captured, in real time.",
        "Sound with holes: the provider plays what it has, waits, and may take the holes for the end of a "
        "turn.",
        "Pace by a clock: message n of a clip is due at start + n * its length; a sleep after every message "
        "adds the sending time to each. If a microphone is the source, see F-RATE-APPARENT.",
    ),
    # --- the rate
    Rule(
        "F-RATE-APPARENT",
        "audio of another sample rate than the session's",
        "Send audio at the session's sample rate.",
        "Samples carry no rate. Audio of 48 kHz taken for 16 kHz sounds three times slower and two octaves "
        "lower, and no recogniser understands it.",
        "Read the rate that the device really gave (AudioContext.sampleRate, the header of the file), and "
        "resample. If the rate is right, your sender's clock is wrong: see F-PACE-FAST and F-PACE-SLOW.",
    ),
    Rule(
        "F-RATE-DECLARED",
        "a message declares another sample rate than the session's",
        "Declare the session's sample rate in every message, and send audio of that rate.",
        "A declared rate converts nothing. A service that ignores the field plays the audio at the wrong "
        "speed; this one resamples, so here it sounds right and live it may not.",
        "Resample to the session's rate before sending, and declare that.",
    ),
    Rule(
        "F-RATE-PLAYBACK",
        "the client announces another playback rate than the agent's audio has",
        "Play the agent's audio at the rate that it has.",
        "The announcement converts nothing: audio of 44.1 kHz played at 24 kHz is slow and low, and every "
        "reply takes nearly twice its time.",
        "Give the audio buffer the rate that the page gives, let the platform resample, and announce that.",
        everywhere=False,
    ),
    # --- what the bytes are
    Rule(
        "F-CONTAINER",
        "a file where raw samples belong",
        "Send raw PCM16 samples: no WAV, MP3, Ogg, FLAC, WebM or MP4.",
        "Headers are heard as a click, and compressed audio as loud noise.",
        "Leave out a WAV file's header (44 bytes in most), decode compressed files first. In a browser, take "
        "samples from an AudioWorklet: MediaRecorder gives WebM, MP4 or Ogg.",
    ),
    Rule(
        "F-FLOAT32",
        "float32 samples where int16 belongs",
        "Send 16-bit signed integers, little-endian.",
        "Web Audio hands out floats. Read as integers they are loud noise of twice the length.",
        "Clamp each float to [-1, 1], scale it to 16 bits, and send the Int16Array's buffer.",
    ),
    Rule(
        "F-BYTE-ORDER",
        "big-endian samples",
        "Send little-endian samples.",
        "With its bytes swapped, speech is noise at full volume.",
        "Swap the bytes, or write with an explicit order: DataView.setInt16(at, value, true), struct '<h', "
        "numpy '<i2'. AIFF files and network byte order are big-endian.",
    ),
    Rule(
        "F-STEREO",
        "two channels where one belongs (or every sample twice)",
        "Send one channel.",
        "Interleaved stereo taken for mono sounds at half the speed and an octave lower. Samples doubled to "
        "reach a higher rate carry half of its sound, with an image of it above.",
        "Send the left channel, or the mean of both. If the doubling was meant to change the rate, use a "
        "resampler.",
    ),
    Rule(
        "F-ODD-BYTES",
        "audio of an odd number of bytes",
        "An audio message is a whole number of 16-bit samples.",
        "From the lost byte on, every sample is read across a boundary, which is noise.",
        "Cut at even offsets; keep an odd last byte for the next message. Compressed audio sent as it is "
        "also comes in odd lengths: see F-CONTAINER.",
    ),
    Rule(
        "F-EMPTY-AUDIO",
        "an audio message without audio",
        "An audio message holds at least one sample.",
        "It costs a message and says nothing; some services answer with an error.",
        "Send nothing when the capture buffer is empty. To keep a connection alive, send zeros.",
    ),
    # --- what the samples are
    Rule(
        "F-CLIPPED",
        "clipped samples",
        "Keep speech below full scale.",
        "Flat tops are distortion, which costs recognition. They come from a gain that is too high, or from "
        "clamping samples that were scaled twice.",
        "Lower the gain (or leave it to the browser's autoGainControl), and scale floats by 32767 once.",
    ),
    Rule(
        "F-WRAPPED",
        "samples that overflowed and changed sign",
        "Clamp samples to [-1, 1] before making them 16-bit.",
        "A value just above full scale turns into one just below the opposite end: loud cracks wherever "
        "somebody speaks up.",
        "Math.max(-1, Math.min(1, sample)) before scaling; numpy.clip before astype('int16').",
    ),
    Rule(
        "F-DC-OFFSET",
        "samples that do not swing around zero",
        "Silence is zero.",
        "An offset is energy: a detector by loudness never hears the end of a turn, and clips join with "
        "clicks.",
        "Subtract the mean or use a high-pass filter of 20 to 80 Hz. 8-bit or unsigned "
        "samples have their zero elsewhere: convert them.",
    ),
    Rule(
        "F-SILENCE-FLOOD",
        "a long stream of silence, or of noise that could not be speech",
        "Do not stream silence.",
        "It takes as much bandwidth as speech, and says nothing.",
        "Stop sending when the microphone is muted or a gate is closed; missing audio counts as silence.",
        everywhere=False,
    ),
    # --- in which order
    Rule(
        "F-BEFORE-READY",
        "audio before the session was ready",
        "Send audio only once the provider says that the session is there.",
        "Live, what was sent before is lost, or ends the session: the first word of the first turn is "
        "missing.",
        "Start the microphone, or at least its sending, in the handler of the provider's ready message.",
    ),
    Rule(
        "F-AFTER-END",
        "audio after the provider ended the session",
        "Stop the microphone when the provider ends the session.",
        "Nobody listens any more, and the user's microphone is still on.",
        "Stop the capture in the handlers of both the ending message and the socket's close.",
    ),
    Rule(
        "F-AFTER-HANGUP",
        "microphone still sending after the client hung up",
        "Stop the microphone first, then say goodbye, then close the socket.",
        "What is sent after the goodbye is lost or starts a turn that nobody hears; a microphone left open "
        "keeps its light on.",
        "Stop the capture (and its tracks), then send the stop message, then close.",
    ),
    # --- what the whole call shows
    Rule(
        "F-NOT-FLUSHED",
        "playback went on after an interruption",
        "On an interruption drop everything that has not sounded yet, and what still comes of that reply.",
        "The agent talks over its user with words that the user has just cut off.",
        "Stop every scheduled source and empty the queue when the message comes; drop audio until the next "
        "reply begins. Looked for by `--flush-check`, which needs a loudspeaker and a microphone that hears "
        "it (no headphones, no echo cancellation), and in recordings of our own client.",
    ),
    Rule(
        "F-NO-AUDIO",
        "a session without any audio",
        "Send the microphone's audio once the session is ready.",
        "The agent hears nothing, and waits.",
        "Start the capture in the handler of the ready message. In a browser: ask for the microphone, resume "
        "the AudioContext after a click, and connect a ScriptProcessor to a destination, or it never runs.",
    ),
    Rule(
        "F-ONLY-SILENCE",
        "nothing but zeros from a microphone",
        "Send what the microphone hears.",
        "Every sample was zero: muted, suspended, or never connected to its source.",
        "Look at the track's `muted` and `enabled`, resume the AudioContext, and check which device was "
        "chosen.",
        everywhere=False,
    ),
    Rule(
        "F-ECHO",
        "the agent's own voice in the microphone",
        "Take the microphone with echo cancellation.",
        "An agent that hears itself interrupts itself, or answers itself.",
        "getUserMedia({audio: {echoCancellation: true}}); elsewhere an echo canceller of the platform, or "
        "headphones. Looked for with dialogue.echo_guard = true, by which the emulator knows its own voice "
        "again.",
        everywhere=False,
    ),
    Rule(
        "F-TRACK-UNHEARD",
        "a track of the agent's that the client never took",
        "Play every track that the agent publishes: its voice, and background_audio.",
        "Who plays one track alone hears a voice without its surroundings, or the surroundings without the "
        "voice.",
        "Leave autoSubscribe on, and attach each audio track when it is subscribed (RoomAudioRenderer does); "
        "take the voice by its source, not by being first.",
        everywhere=False,
    ),
    Rule(
        "F-IDLE",
        "a session that was idle until it was ended",
        "Keep an idle session alive: answer pings, or send silence now and then.",
        "Live, the user comes back to a connection that is gone.",
        "Send frames of zeros where the platform answers no pings by itself; reconnect with a new session.",
    ),
    Rule(
        "F-NO-BACKPRESSURE",
        "audio piled up while the line was slow",
        "Watch the send buffer, and drop microphone audio when it grows.",
        "What was said ten seconds ago arrives when the line is quick again: turns are answered that long "
        "after they were spoken, and it never catches up.",
        "Look at ws.bufferedAmount (or await drain) before each message, and drop the oldest audio above a "
        "second or so.",
    ),
    Rule(
        "F-BAD-SETTING",
        "a setting with a value that cannot be",
        "Settings have the values that the page allows.",
        "The setting keeps its old value.",
        "Send a whole number of 1 or more for max_context_messages, and rates of 8000 to 192000 Hz.",
    ),
    # --- what the messages say
    Rule(
        "F-BAD-JSON",
        "a message that is no JSON object",
        "Text messages are JSON objects.",
        "A live service may ignore it, or close the session.",
        "Build messages with a JSON serialiser, one object a message.",
    ),
    Rule(
        "F-BAD-FIELD",
        "a message with a missing or wrong field",
        "Messages have the fields that the page shows, of the types that it shows.",
        "What the message was meant to do does not happen.",
        "Compare the message with the page's example.",
    ),
    Rule(
        "F-UNKNOWN-TYPE",
        "a message of a type that the protocol does not have",
        "Send only the message types of the page.",
        "It is ignored at best; a mistyped name is a setting that never takes effect.",
        "Check the spelling. Some vendors' newer clients know more messages than the page.",
    ),
    Rule(
        "F-FRAME-KIND",
        "a text message where a binary one belongs, or the other way round",
        "Audio and control travel in the kind of websocket message that the page gives each.",
        "Audio in the wrong kind of message is not heard.",
        "Send a string for text; for binary an ArrayBuffer, a typed array or bytes.",
    ),
    Rule(
        "F-NOT-BASE64",
        "audio that is not valid base64",
        "Audio inside JSON is base64 of the raw bytes.",
        "The message's audio is lost.",
        "Use the standard alphabet with padding, of bytes rather than of text, without a data: prefix.",
    ),
    Rule(
        "F-TIME-STOPPED",
        "no audio on the media clock, so time stood still",
        "With --clock media, send audio without a break from start to end: zeros while there is silence.",
        "On the media clock a session's time is the user's audio that has come. Without any, nothing is due: "
        "no turn ends, no reply goes on, and whoever waits for it waits for ever.",
        "Send frames of zeros while nobody speaks, also while you wait for the agent to be ready, for a "
        "greeting or for a reply. A client that sends no silence runs on the real or the virtual clock.",
    ),
    # --- limits of the emulator
    Rule(
        "F-MESSAGE-SIZE",
        "a message longer than anybody takes",
        "Send audio in small messages, as it is captured.",
        "A websocket server closes with 1009 what is longer than its limit; here that is limits.message, one "
        "megabyte where nothing else is set.",
        "Cut audio into frames of the advised length. A prompt or a list of tools of a megabyte is none.",
    ),
    Rule(
        "F-NOT-READING",
        "a client that does not read",
        "Read from the socket all the time, also while you speak.",
        "What the client does not take waits at the provider's end, and a provider that waits neither "
        "listens nor speaks; after limits.stall seconds the connection is dropped.",
        "Read in a task or thread of its own. Nothing in a message handler may block: no playing of audio, "
        "no file, no request.",
    ),
    # --- around the session
    Rule(
        "F-BAD-START",
        "a start request that the page does not show",
        "A start request has the fields that the page shows.",
        "No session is started.",
        "Compare the body with the page's example; the answer says which field is wrong.",
    ),
    Rule(
        "F-CONTENT-TYPE",
        "a start request without its content type",
        "A JSON body goes with Content-Type: application/json.",
        "Many frameworks do not read such a body, and answer as if it were empty.",
        "fetch(url, {headers: {'Content-Type': 'application/json'}, body: JSON.stringify(...)}).",
        everywhere=False,
    ),
    Rule(
        "F-UNKNOWN-AGENT",
        "an agent id that nobody has",
        "Ask for an agent that exists.",
        "The session is refused, or ends as soon as it is connected.",
        "Check the id in the vendor's console; ids of one workspace are not good in another.",
    ),
    Rule(
        "F-URL-CHANGED",
        "a session's URL that was not used as it was given",
        "Use the session's URL exactly as it was returned.",
        "A URL that is put together by hand lacks what makes it valid: an immediate disconnect.",
        "Pass the returned URL to the websocket unchanged: no query added, nothing decoded or cut.",
    ),
    Rule(
        "F-URL-EXPIRED",
        "a session's URL was used too late",
        "Connect right after the start.",
        "Live, the connection is refused.",
        "Ask for a URL when the user starts to talk, not when the page loads.",
    ),
    Rule(
        "F-TOKEN-EXPIRED",
        "a session's token was used too late",
        "A token is good for a few minutes; fetch it right before connecting.",
        "Live, the connection is refused.",
        "Fetch the token in the click handler that starts the call.",
    ),
    Rule(
        "F-TOKEN-UNKNOWN",
        "a token that was not issued here",
        "The token is the one that the token request returned, unchanged.",
        "The connection is refused.",
        "Send the `token` field as it is; an API key is no token.",
    ),
    Rule(
        "F-NO-TOKEN",
        "the first message was no token",
        "The first message on the socket is the token, and it comes at once.",
        "The connection is closed: nothing that was sent is heard.",
        'Send {"token": "..."} in onopen, before anything else.',
    ),
    Rule(
        "F-RECONNECTS",
        "a new connection for every turn",
        "Keep the connection open for the whole of the user's session.",
        "The agent forgets the conversation with each connection, and every turn waits for a handshake.",
        "Open the socket once, and close it when the user hangs up.",
        everywhere=False,
    ),
    Rule(
        "F-URL-REUSED",
        "a session's URL was used again",
        "A session's URL is good for one connection; ask for a new one to connect again.",
        "Live, the second connection fails: a client that keeps the URL can never reconnect.",
        "Start a new session for every connection, reconnections included.",
    ),
    Rule(
        "F-TOKEN-REUSED",
        "a session's token was used again",
        "A token is good for one session; ask for a new one to connect again.",
        "Live, the second connection is refused: a client that caches the token can never reconnect.",
        "Fetch a token right before every connection, reconnections included.",
    ),
    Rule(
        "F-NEVER-CONNECTED",
        "a session was started and nobody connected",
        "Connect to every session that you start.",
        "Started sessions take places and, live, may be billed; what was handed out for them expires.",
        "Start a session when the user asks for a call, not when the page loads (or twice, as in "
        "React's development mode).",
    ),
    Rule(
        "F-KEY-MISPLACED",
        "the API key was sent where it does not belong",
        "Send the API key in the one place that the page gives.",
        "A service that looks only there refuses the call; a key in a URL ends up in logs and histories.",
        "Move the key to where the page puts it, and keep it on a server of yours.",
    ),
    Rule(
        "F-NO-END-CALL",
        "the session was left without ending it",
        "End the session explicitly when the user hangs up.",
        "The agent stays in the room, and live it is billed until it notices.",
        "Call the provider's end route on hang-up and when the page is closed (fetch with keepalive: true).",
        everywhere=False,
    ),
    # --- against a recording that answers
    Rule(
        "F-REPLAY-EXTRA",
        "a turn of the user's that the replayed recording does not have",
        "Call as the recording was called: as many turns.",
        "The recording has no answer to it, so nothing was said; what the client does without one is not "
        "what it did in the recorded call.",
        "Look at both positions. Noise or the agent's own voice in the microphone makes a turn too; if the "
        "client is meant to say more, record the call anew.",
    ),
    Rule(
        "F-REPLAY-EARLY",
        "a turn of the user's before the replayed agent was done, unlike in the recording",
        "Call as the recording was called: a turn when the recorded one came, or later.",
        "The rest of what the agent would have said was left out.",
        "Look at both positions. A client that interrupts where it did not use to may hear the agent in its "
        "own microphone.",
    ),
    Rule(
        "F-REPLAY-MISSING",
        "a turn of the recording that the live call did not have",
        "Call as the recording was called: as many turns.",
        "What the agent answered to it in the recording was not said.",
        "Look at both positions: the client hung up before it, did not send it, or sent it so that it was no "
        "turn (too quiet, too short, joined to another).",
    ),
    # --- what the provider does, seen at the user's end
    Rule(
        "F-SERVER-HOST",
        "the provider sent the call to another host",
        "A session's URL is opaque: connect to it as it was given.",
        "It may be meant so, as with regional hosts. It may also be a server that hands your users' voices "
        "to somebody else: no key was sent along.",
        "See whether the host is the vendor's. In an app, list the hosts that it may connect to.",
    ),
    Rule(
        "F-SERVER-ORDER",
        "the provider sent a message out of order",
        "Statuses follow one another as on the page: a reply begins before it is interrupted or over.",
        "A client that counts on the order hangs: its player stays muted, or its microphone open.",
        "In an app, take every message as news about now and let none wait for another one.",
    ),
    Rule(
        "F-SERVER-AUDIO",
        "a file where raw samples belong, in the agent's audio",
        "Agent audio is raw PCM16 samples.",
        "The file's header is heard as a click, and compressed audio as loud noise.",
        "Tell the vendor. In an app, do not guess at formats: play what the page promises, or nothing.",
    ),
    Rule(
        "F-SERVER-RATE",
        "the provider declares another sample rate than its page has",
        "Agent audio has the rate of the page, or a client is told in time and plays it so.",
        "`emu client` plays and records it at the page's rate, so here it sounds too slow or too fast.",
        "If the vendor's page has changed, the emulator is behind: tell us. In an app, make the audio buffer "
        "of the rate that was declared.",
    ),
    Rule(
        "F-SERVER-PACE",
        "more agent audio than anybody would listen to ahead",
        "Agent audio comes about as fast as it is heard.",
        "Whatever has not sounded yet waits in the memory of the client.",
        "In an app, bound the queue of the player, and drop what is beyond.",
    ),
    Rule(
        "F-SERVER-UNREADABLE",
        "the provider sent a message that its page has no words for",
        "Messages are those of the page.",
        "A client that does not expect it may stop at it. `emu client` ends such a call with exit code 4.",
        "If the vendor's page has changed, the emulator is behind: tell us. In an app, pass over such "
        "messages and log them.",
    ),
    Rule(
        "F-SERVER-SECRET",
        "the provider sent a secret of the call back",
        "Keys, tokens and a session's URL are nobody's to repeat.",
        "What is shown to the user or written to a log is no secret any more. Here it is masked everywhere.",
        "Change the key and tell the vendor. In an app, never show an error of the service as it came.",
    ),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _RULES}
