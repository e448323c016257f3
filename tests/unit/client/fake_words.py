"""The fake server's words. One that waits has its image when it has been asked for ``waits`` times."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.unit.client.fake_answers import TIME, problem

_COPY: dict[str, Any] = {"state": "none", "image_id": None, "renditions": [], "expires_at": None, "error": None}
_LANES = ("under_way", "requested", "top", "vocabulary", "recent", "rest")


class FakeWords:
    """``bulks`` are the words of each request, ``requests`` the other bodies; ``missed`` words have no image, and never
    will. ``copy`` is what is told of stored copies."""

    ROUTES = (
        ("PUT", "/v1/words", "put"),
        ("GET", "/v1/words", "list_words"),
        ("POST", "/v1/words/sync", "sync"),
        ("GET", "/v1/words/stats", "stats"),
        ("GET", "/v1/words/{word_id}", "get"),
        ("DELETE", "/v1/words/{word_id}", "delete"),
        ("GET", "/v1/words/{word_id}/image", "image"),
        ("POST", "/v1/words/{word_id}/image", "change"),
        ("DELETE", "/v1/words/{word_id}/image", "forget"),
        ("GET", "/v1/vocabulary", "list_learned"),
        ("PUT", "/v1/vocabulary/{word_id}", "learn"),
        ("DELETE", "/v1/vocabulary/{word_id}", "unlearn"),
    )

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.photos: dict[str, list[str]] = {}
        self.learned: list[str] = []
        self.bulks: list[list[dict[str, Any]]] = []
        self.requests: list[dict[str, Any]] = []
        self.missed: set[str] = set()
        self.waits = 0
        self.copy: dict[str, Any] = _COPY
        self.paused: str | None = None
        self.page_size = 2

    def add(self, word_id: str, text: str, *photos: str, language: str = "en", **more: Any) -> dict[str, Any]:
        """Puts a word in, with its photo and others that could take its place."""
        path = f"/v1/words/{word_id}"
        self.all[word_id] = {
            "id": word_id, "revision": 2, "text": text, "language": language, "translation": None, "rank": None,
            "picture": "found" if photos else "none", "created_at": TIME, "updated_at": TIME,
            "links": {"self": path, "image": f"{path}/image"},
        } | more  # fmt: skip
        self.photos[word_id] = list(photos)
        return self.all[word_id]

    def put(self, _request: Request, body: bytes) -> Response:
        words = json.loads(body)["words"]
        wrong = [index for index, word in enumerate(words) if word["text"] == "refused"]
        if wrong:
            errors = [{"pointer": f"/words/{index}/text", "detail": "Must be polite"} for index in wrong]
            return problem(422, "invalid-body", f"`/words/{wrong[0]}/text`: Must be polite", errors=errors)
        self.bulks.append(words)
        new = [word for word in words if word.get("id", word["text"]) not in self.all]
        for word in words:
            self.add(word.get("id", word["text"]), word["text"], language=word["language"])
        told = {"received": len(words), "created": len(new), "updated": 0, "duplicates": 0}
        return JSONResponse({**told, "unchanged": len(words) - len(new)})

    def list_words(self, request: Request, _body: bytes) -> Response:
        begins, language = request.query_params.get("q", "").lower(), request.query_params.get("language")
        found = [
            each
            for each in self.all.values()
            if each["text"].lower().startswith(begins) and language in {None, each["language"]}
        ]
        return self._page(request, "words", found)

    def get(self, request: Request, _body: bytes) -> Response:
        return JSONResponse(self.all[request.path_params["word_id"]], headers={"ETag": '"1"'})

    def delete(self, request: Request, _body: bytes) -> Response:
        del self.all[request.path_params["word_id"]]
        return Response(status_code=204)

    def sync(self, _request: Request, body: bytes) -> Response:
        self.requests.append(json.loads(body))
        return JSONResponse({"added": 1500, "queue": lanes(1643), "budget": self._budget()})

    def stats(self, _request: Request, _body: bytes) -> Response:
        numbers = {"words": 28_343, "with_picture": 1_187, "missed": 13, "queue": lanes(27_143)}
        times = {"populated_at": TIME, "next_population_at": TIME}
        return JSONResponse({**numbers, "budget": self._budget(), **times})

    def image(self, request: Request, _body: bytes) -> Response:
        word = self.all[request.path_params["word_id"]]
        if word["id"] in self.missed:
            detail = f"No image was found for the word `{word['id']}`: no results."
            return problem(404, "word-image-not-found", detail, code="no_results", search_again_at=TIME)
        if not self.photos[word["id"]]:
            self.waits -= 1
            if self.waits < 0:
                self.photos[word["id"]] = ["found-late"]
            return waiting(word["id"])
        return self._image(word)

    def change(self, request: Request, body: bytes) -> Response:
        word, wanted = self.all[request.path_params["word_id"]], json.loads(body)
        self.requests.append(wanted)
        photos = self.photos[word["id"]]
        if wanted.get("photo_id", "") in photos:
            photos.insert(0, photos.pop(photos.index(wanted["photo_id"])))
        elif "photo_id" in wanted:
            self.photos[word["id"]] = [wanted["photo_id"]]
            return waiting(word["id"])
        else:
            photos.pop(0)
        return self._image(word) if photos else waiting(word["id"])

    def forget(self, request: Request, _body: bytes) -> Response:
        self.photos[request.path_params["word_id"]] = []
        return Response(status_code=204)

    def list_learned(self, request: Request, _body: bytes) -> Response:
        return self._page(request, "vocabulary", [self._entry(each) for each in self.learned])

    def learn(self, request: Request, _body: bytes) -> Response:
        entry = self._entry(request.path_params["word_id"])
        self.learned.append(request.path_params["word_id"])
        return JSONResponse(entry)

    def unlearn(self, request: Request, _body: bytes) -> Response:
        if request.path_params["word_id"] not in self.learned:
            return problem(404, "not-found", "The word is not in your vocabulary.")
        self.learned.remove(request.path_params["word_id"])
        return Response(status_code=204)

    def _entry(self, word_id: str) -> dict[str, Any]:
        return {"word": self.all[word_id], "added_at": TIME}

    def _budget(self) -> dict[str, Any]:
        until = TIME if self.paused else None
        return {"limit": 25, "used": 17, "next_at": TIME, "paused_until": until, "reason": self.paused}

    def _image(self, word: dict[str, Any]) -> Response:
        first, *others = map(photo, self.photos[word["id"]])
        path = f"/v1/words/{word['id']}"
        told = {name: word[name] for name in ("revision", "text", "language")}
        return JSONResponse({
            "word_id": word["id"], **told, "status": "found", "photo": first, "copy": self.copy, "query": word["text"],
            "named": False, "found_at": TIME, "alternatives": others, "links": {"self": f"{path}/image", "word": path},
        })  # fmt: skip

    def _page(self, request: Request, name: str, found: list[dict[str, Any]]) -> Response:
        start = int(request.query_params.get("cursor", 0))
        end = start + min(int(request.query_params["limit"]), self.page_size)
        more = f"{request.url.path}?limit=2&cursor={end}" if end < len(found) else None
        return JSONResponse({name: found[start:end], "next": more})


def lanes(total: int) -> dict[str, int]:
    """So many words in the queue."""
    return dict.fromkeys(_LANES, 0) | {"rest": total, "total": total}


def waiting(word_id: str) -> Response:
    """A word that is third."""
    path = f"/v1/words/{word_id}"
    told = {"place": 3, "due_at": TIME, "waiting_for": "queue", "reason": "2 words are searched for before this one."}
    links = {"self": f"{path}/image", "word": path}
    return JSONResponse({"word_id": word_id, "status": "queued", **told, "links": links}, 202, {"Retry-After": "2"})


def photo(photo_id: str) -> dict[str, Any]:
    """A photo by somebody."""
    page, person = f"https://unsplash.example/photos/{photo_id}", "https://unsplash.example/@jeff"
    credit = {"text": "Photo by Jeff on Unsplash", "html": "Photo by <a>Jeff</a>", "photographer": "Jeff"}
    file = f"https://images.example/{photo_id}"
    return {
        "photo_id": photo_id, "url": file, "thumb_url": file, "full_url": file, "width": 4000, "height": 3000,
        "color": None, "blur_hash": None, "description": "A gull\x1b[2J over the sea",
        "attribution": {**credit, "photographer_url": person, "provider": "unsplash", "provider_url": page},
    }  # fmt: skip
