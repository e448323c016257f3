async def test_one_socket_sees_one_event(notifier, publish) -> None:
    async with notifier.subscribed("ann") as socket:
        ids = await publish("ann")
        assert await socket.ids(1) == ids
