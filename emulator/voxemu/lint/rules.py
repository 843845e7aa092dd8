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
        "a long stream of digital silence",
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
    # --- around the session
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
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _RULES}
