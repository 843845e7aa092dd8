#!/usr/bin/env bash
# Speak the client's prompts again, with espeak-ng and sox: emulator/voxemu/prompts/*.wav.
# Run by hand, when a text changes; the files are what is shipped and tested.
set -euo pipefail
cd "$(dirname "$0")/../emulator/voxemu/prompts"

voice=en-us
rate=16000    # Hz
edge=0.03     # seconds of silence kept at each end
level=-20     # dBFS, root mean square over the whole prompt

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One process a prompt: espeak-ng says the same text differently the second time in one process.
speak() { # name, words a minute, text
    espeak-ng -v "$voice" -s "$2" -w "$scratch/spoken.wav" "$3"
    # Trim what is under -50 dB at both ends, then put the same short silence back at each.
    sox -D "$scratch/spoken.wav" -e floating-point -b 32 "$scratch/trimmed.wav" \
        rate -v "$rate" channels 1 \
        silence 1 0.005 -50d reverse silence 1 0.005 -50d reverse \
        pad "$edge" "$edge"
    # sox writes stat to stderr; "RMS lev dB" there is the level as it is now.
    now=$(sox "$scratch/trimmed.wav" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
    gain=$(awk -v want="$level" -v now="$now" 'BEGIN { printf "%.2f", want - now }')
    sox -D "$scratch/trimmed.wav" -e signed-integer -b 16 "$1.wav" gain "$gain"
    printf '%-10s %5.2f s\n' "$1" "$(soxi -D "$1.wav")"
}

# Commas, where a reader would expect full stops: a pause of 300 ms or more could end a turn.
speak hello 160 "Hello, can you hear me?"
speak question 165 "What time do you open on Saturday?"
speak story 180 "Yesterday I called the shop, they said my order would come today, \
so I waited, but nobody rang."
speak stop 160 "Stop, wait a moment please."
speak numbers 150 "One two three four five six seven eight nine ten."
speak goodbye 160 "Thank you, that is all, goodbye."
speak yes 185 "Yes."
