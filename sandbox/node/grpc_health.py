"""The gRPC health check (grpc.health.v1.Health/Check) with just as much HTTP/2 as one call needs (RFC 9113)."""

import asyncio

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x7
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4
_STREAM = 1
_PATH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"  # HealthCheckResponse: field 1, the enum SERVING


async def check_grpc_health(host: str, port: int, service: str) -> bool:
    """Return whether `service` (empty: the whole server) answers SERVING; raises OSError, IncompleteReadError."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0) + _render_call(f"{host}:{port}", service))
        return await _read_answer(reader, writer)
    finally:
        writer.close()


def _render_call(authority: str, service: str) -> bytes:
    headers = {
        ":method": "POST", ":scheme": "http", ":path": _PATH, ":authority": authority,
        "content-type": "application/grpc", "te": "trailers",
    }  # fmt: skip
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers.items())
    message = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
    body = b"\x00" + len(message).to_bytes(4, "big") + message
    return _frame(_HEADERS, _END_HEADERS, _STREAM, block) + _frame(_DATA, _END_STREAM, _STREAM, body)


async def _read_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    while True:
        head = await reader.readexactly(9)
        kind, flags = head[3], head[4]
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _DATA and payload:
            return payload[5:] == _SERVING
        elif kind in (_RST_STREAM, _GOAWAY) or (kind == _HEADERS and flags & _END_STREAM):
            return False


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    """A string literal of HPACK, not Huffman-coded; all of ours are shorter than 127 bytes."""
    return bytes([len(text)]) + text.encode()
