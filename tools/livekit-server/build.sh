#!/bin/sh
# Build livekit-server, as pinned in go.mod here, into .venv/bin/; called by `make livekit-server` and `make setup`.
# Does nothing when that version is there. Without a Go that is new enough it says so in one line and leaves the
# rest to the embedded rooms; with VOXEMU_REQUIRE_ALL=1, as in CI, that is an error.
set -eu
cd "$(dirname "$0")"
target=${1:-../../.venv/bin/livekit-server}
package=github.com/livekit/livekit-server

say() { printf 'livekit-server: %s\n' "$*" >&2; }
lack() { # reason
    say "$1; rooms will be embedded ones"
    if [ "${VOXEMU_REQUIRE_ALL:-}" = 1 ]; then exit 1; fi
    exit 0
}

wanted=$(sed -n "s|^[[:space:]]*$package v\([^ ]*\).*|\1|p" go.mod)
if [ "$("$target" --version 2>/dev/null)" = "livekit-server version $wanted" ]; then
    exit 0
fi

command -v go >/dev/null || lack "Go is not installed (1.26 or newer builds it)"
# `go version` prints "go version go1.26.8 linux/amd64"; a development version is taken on trust.
version=$(GOTOOLCHAIN=local go version | sed -n 's/^go version go\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
if [ -n "$version" ]; then
    major=${version% *}
    minor=${version#* }
    if [ "$major" -lt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -lt 26 ]; }; then
        lack "Go $major.$minor is too old (1.26 or newer builds it)"
    fi
fi

say "building $wanted (a few minutes the first time)"
# Beside the target and then renamed: a build that is broken off leaves nothing that looks whole. What Go says, a
# hundred lines of what it downloads, is shown when that fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0 \
    go build -trimpath -ldflags '-s -w' -o "$target.new" "$package/cmd/server" 2>"$log"; then
    mv "$target.new" "$target"
else
    rm -f "$target.new"
    cat "$log" >&2
    lack "it could not be built; see above"
fi
