"""How clients connect: WebSocket and server-sent events, from the handshake to the close."""
