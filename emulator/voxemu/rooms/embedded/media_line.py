"""One peer connection from below: an ICE line with DTLS on it, and over that SRTP and data channels.

aiortc's transports do DTLS, the SRTP keys and SCTP. Its ``RTCPeerConnection`` is not used: a room's few
descriptions are written by ``sdp``, RTP goes past it without a thread or a task for each packet, and so
nothing waits for a jitter buffer of 80 ms.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import pylibsrtp
from aiortc import RTCCertificate, RTCDataChannel, RTCDtlsTransport, RTCSctpTransport
from aiortc.rtcdatachannel import RTCDataChannelParameters
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities

from voxemu.rooms.embedded.ice import IceLine, IcePort
from voxemu.rooms.embedded.rtp import RtpPacket, is_rtcp, parse
from voxemu.rooms.embedded.sdp import MAX_MESSAGE, SCTP_PORT, Described

log = logging.getLogger(__name__)

RELIABLE = "_reliable"
LOSSY = "_lossy"
UNREAD = 1 << 20
# Bytes that a channel may hold for a client that takes none; of more, what is said is lost.
BACKLOG = 512
# Messages kept for a channel that is not open yet.


class Ear(Protocol):
    """Who listens to a line."""

    def line_connected(self, line: MediaLine) -> None: ...

    def line_lost(self, line: MediaLine) -> None:
        """The peer closed it, or never got it to work."""
        ...

    def heard_rtp(self, packet: RtpPacket) -> None: ...

    def heard_data(self, label: str, message: bytes) -> None: ...


class MediaLine:
    def __init__(self, port: IcePort, certificate: RTCCertificate, ear: Ear, name: str) -> None:
        self.name = name
        # For the log.
        self.ice: IceLine = port.new_line(self._heard)
        self._ear = ear
        # aiortc's types want its own ICE transport; ours has what is called.
        self._dtls = RTCDtlsTransport(self.ice, [certificate])  # type: ignore[arg-type]
        self._sctp = RTCSctpTransport(self._dtls, SCTP_PORT)
        self._sctp.on("datachannel", self._adopt)
        self._channels: dict[str, RTCDataChannel] = {}
        self._backlog: list[tuple[str, bytes]] = []
        self._task: asyncio.Task[None] | None = None
        self.connected = False

    def start(self, theirs: Described, *, we_are: str) -> None:
        """Once the descriptions are known. ``we_are``: "server" or "client" of DTLS."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(theirs, we_are), name=f"line {self.name}")

    async def _run(self, theirs: Described, we_are: str) -> None:
        try:
            await self.ice.connected.wait()
            self._dtls._set_role(we_are)
            prints = [RTCDtlsFingerprint(algorithm, value) for algorithm, value in theirs.fingerprints]
            await self._dtls.start(RTCDtlsParameters(prints))
            if self._dtls.state != "connected":
                raise ConnectionError("the DTLS handshake failed")
            self._dtls.on("statechange", self._noticed)
            self.connected = True
            await self._sctp.start(RTCSctpCapabilities(MAX_MESSAGE), SCTP_PORT)
        except ConnectionError as error:
            log.info("%s: %s", self.name, error)
            self._ear.line_lost(self)
            return
        self._ear.line_connected(self)

    def _noticed(self) -> None:
        if self._dtls.state in ("closed", "failed") and self.connected:
            self.connected = False
            self._ear.line_lost(self)

    async def close(self) -> None:
        self.connected = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._sctp.stop()
        pump = self._dtls._task
        await self._dtls.stop()
        if pump is not None:
            await asyncio.gather(pump, return_exceptions=True)
        self._dtls.remove_all_listeners()
        self.ice.close()

    # --- media ------------------------------------------------------------

    def _heard(self, datagram: bytes) -> None:
        if not self.connected or is_rtcp(datagram):
            # Receiver reports are for senders that adapt; ours send 32 kbit/s and no more.
            return
        try:
            packet = parse(self._dtls._rx_srtp.unprotect(datagram))
        except pylibsrtp.Error:
            return  # Damaged, forged or repeated.
        if packet is not None:
            self._ear.heard_rtp(packet)

    def send_rtp(self, packet: bytes) -> None:
        if self.connected:
            self.ice.send(self._dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        if self.connected:
            self.ice.send(self._dtls._tx_srtp.protect_rtcp(packet))

    # --- data ------------------------------------------------------------

    def open_channels(self) -> None:
        """The server's own channels, where the server opens them."""
        for label, ordered, retransmits in ((RELIABLE, True, None), (LOSSY, False, 0)):
            wanted = RTCDataChannelParameters(label=label, ordered=ordered, maxRetransmits=retransmits)
            channel = RTCDataChannel(self._sctp, wanted)
            channel.on("open", self._channel_opened(channel))
            self._listen(channel)

    def _channel_opened(self, channel: RTCDataChannel) -> Callable[[], None]:
        def opened() -> None:
            self._channels[channel.label] = channel
            self._flush()

        return opened

    def _adopt(self, channel: RTCDataChannel) -> None:
        self._channels[channel.label] = channel
        self._listen(channel)
        self._flush()

    def _listen(self, channel: RTCDataChannel) -> None:
        def heard(message: str | bytes) -> None:
            self._ear.heard_data(channel.label, message.encode() if isinstance(message, str) else message)

        channel.on("message", heard)

    def send_data(self, label: str, message: bytes) -> None:
        """Kept until the channel is open. What is too much to keep is dropped, oldest first."""
        self._backlog.append((label, message))
        del self._backlog[:-BACKLOG]
        self._flush()

    def _flush(self) -> None:
        waiting, self._backlog = self._backlog, []
        for label, message in waiting:
            channel = self._channels.get(label)
            if channel is None:
                self._backlog.append((label, message))
            elif channel.readyState == "open" and channel.bufferedAmount < UNREAD:
                channel.send(message)
