"""What each call does, given its argument and who makes it: the result as an object of the SDK, or a refusal."""

from __future__ import annotations

import base64
import bisect
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dropbox import check, files, sharing

from heliograph_local.doubles.dropbox.tree import EPOCH, Account, File, Folder, SharedLink
from heliograph_local.doubles.faults import Behaviour, Fault, Kind


class Refused(Exception):
    """The call's own error, of the type in its route (409)."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


class BadRequest(Exception):
    """What the vendor refuses in words (400), and no client should send."""


@dataclass
class Asking:
    """One request of the call ``name``: ``account`` is ``None`` for an application; ``named`` is what the request names."""

    name: str
    account: Account | None
    named: Sequence[str]
    behaviour: Behaviour

    def befallen(self, *kinds: Kind, about: Sequence[str] = ()) -> Fault | None:
        """The fault of one of these kinds that befalls the request, or what is said in it of the file ``about``."""
        return self.behaviour.fault(self.name, [*self.named, *about], kinds=kinds)


@dataclass
class Answers:
    """``links`` by the part of their URL that is not secret. A cursor names a place in a folder: link, path, the name
    after which the page begins and that of the page before. Those from before ``epoch`` are forgotten."""

    page_size: int
    links: dict[str, SharedLink] = field(default_factory=dict)
    epoch: int = 0
    numbers: Any = field(default_factory=itertools.count)

    def check(self, asking: Asking, arg: Any) -> Any:
        """``check/app`` and ``check/user``."""
        return check.EchoResult(result=arg.query)

    def list_folder(self, asking: Asking, arg: Any) -> Any:
        """The first page."""
        link = arg.shared_link
        if link is not None and arg.recursive:
            raise BadRequest("recursive is not supported for shared links")
        place = {"link": link.url if link else "", "path": arg.path, "password": link.password if link else None}
        return self._page(asking, place | {"limit": arg.limit, "before": "", "after": ""})

    def list_folder_continue(self, asking: Asking, arg: Any) -> Any:
        """A page after the first."""
        try:
            place = json.loads(base64.urlsafe_b64decode(arg.cursor))
        except ValueError:
            raise BadRequest('Invalid "cursor" parameter') from None
        if asking.befallen("cursor_reset", about=[arg.cursor]):
            self.epoch += 1
        if place["epoch"] != self.epoch:
            raise Refused(files.ListFolderContinueError.reset)
        return self._page(asking, place)

    def get_metadata(self, asking: Asking, arg: Any) -> Any:
        """Of a file or folder of the account."""
        entry = self._own(asking, arg.path, files.GetMetadataError)
        if entry is _root_of(asking):
            raise BadRequest("The root folder is unsupported.")
        return self._entry(asking, entry, _above(arg.path))

    def download(self, asking: Asking, arg: Any) -> tuple[Any, File]:
        """A file of the account."""
        file = self._own(asking, arg.path, files.DownloadError)
        if asking.befallen("vanished", about=[arg.path, file.name, file.id]):
            raise Refused(files.DownloadError.path(files.LookupError.not_found))
        if isinstance(file, Folder):
            raise Refused(files.DownloadError.path(files.LookupError.not_file))
        if file.exported_as:
            raise Refused(files.DownloadError.unsupported_file)
        return self._entry(asking, file, _above(arg.path)), file

    def get_shared_link_metadata(self, asking: Asking, arg: Any) -> Any:
        """Of a link, or of what is in it."""
        link, target = self._shared(arg, sharing.SharedLinkMetadataError)
        return self._link_metadata(asking, link, target)

    def get_shared_link_file(self, asking: Asking, arg: Any) -> tuple[Any, File]:
        """A file that is shared by link."""
        errors = sharing.GetSharedLinkFileError
        link, file = self._shared(arg, errors)
        if asking.befallen("vanished", about=[arg.path or "", file.name, file.id]):
            raise Refused(errors.shared_link_not_found)
        if isinstance(file, Folder):
            raise Refused(errors.shared_link_is_directory)
        if not link.downloads:
            raise Refused(errors.shared_link_access_denied)
        return self._link_metadata(asking, link, file), file

    def _page(self, asking: Asking, place: dict[str, Any]) -> Any:
        folder = self._listed(asking, place)
        names = sorted(folder.entries)
        size = min(self.page_size, place["limit"] or self.page_size)
        begin = bisect.bisect_right(names, place["after"])
        shown, end = names[begin : begin + size], begin + size
        if place["after"] and asking.befallen("repeated_page"):
            again = bisect.bisect_right(names, place["before"])
            shown, end = names[again : again + size], begin
        place = place | {"before": place["after"], "after": names[min(end, len(names)) - 1] if names else ""}
        place |= {"epoch": self.epoch, "number": next(self.numbers)}
        above = None if place["link"] or place["path"].startswith("id:") else place["path"]
        return files.ListFolderResult(
            entries=[self._entry(asking, folder.entries[name], above) for name in shown],
            cursor=base64.urlsafe_b64encode(json.dumps(place).encode()).decode(),
            has_more=end < len(names),
        )

    def _listed(self, asking: Asking, place: Mapping[str, Any]) -> Any:
        """The folder, or a refusal. A listing has no words for what is wrong with a link."""
        if place["link"]:
            arg = sharing.GetSharedLinkMetadataArg(place["link"], place["path"] or None, place["password"])
            try:
                _, folder = self._shared(arg, sharing.SharedLinkMetadataError)
            except Refused as refused:
                if refused.error.is_shared_link_access_denied():
                    raise Refused(files.ListFolderError.other) from None
                raise Refused(files.ListFolderError.path(files.LookupError.not_found)) from None
        else:
            folder = self._own(asking, place["path"], files.ListFolderError)
        if isinstance(folder, File):
            raise Refused(files.ListFolderError.path(files.LookupError.not_folder))
        return folder

    def _own(self, asking: Asking, path: str, errors: Any) -> Any:
        root = _root_of(asking)
        if path == "/":
            raise BadRequest('Specify the root folder as an empty string rather than as "/".')
        entry = root.find(path)
        if entry is None:
            raise Refused(errors.path(files.LookupError.not_found))
        return entry

    def _shared(self, arg: Any, errors: Any) -> tuple[SharedLink, Any]:
        parts = urlsplit(arg.url)
        link = self.links.get("".join(parts.path.split("/")[3:4]))
        if link is None or link.expired or parts.hostname not in {"www.dropbox.com", "dropbox.com"}:
            raise Refused(errors.shared_link_not_found)
        wrong_key = parse_qs(parts.query).get("rlkey") != [link.key]
        if wrong_key or link.audience != "public" or arg.link_password != link.password:
            raise Refused(errors.shared_link_access_denied)
        target = link.target.find(arg.path or "") if isinstance(link.target, Folder) else link.target
        if target is None:
            raise Refused(errors.shared_link_not_found)
        return link, target

    def _entry(self, asking: Asking, entry: Any, above: str | None) -> Any:
        """In a shared link an entry has no path: then ``above``, the path of its folder, is ``None``."""
        shown = None if above is None else f"{above}/{entry.name}"
        known = {"name": entry.name, "id": entry.id, "path_display": shown, "path_lower": shown and shown.lower()}
        if isinstance(entry, Folder):
            return files.FolderMetadata(**known)
        return files.FileMetadata(
            **known,
            client_modified=EPOCH,
            server_modified=EPOCH,
            rev=entry.rev,
            size=_told(asking, entry),
            content_hash=None if entry.exported_as else entry.content_hash,
            is_downloadable=entry.exported_as is None,
            export_info=files.ExportInfo(export_as=entry.exported_as) if entry.exported_as else None,
            symlink_info=files.SymlinkInfo(target=entry.symlink_to) if entry.symlink_to else None,
        )

    def _link_metadata(self, asking: Asking, link: SharedLink, target: Any) -> Any:
        known = {"url": link.url, "name": target.name, "id": target.id, "link_permissions": _permissions(link)}
        if isinstance(target, Folder):
            return sharing.FolderLinkMetadata(**known)
        size = _told(asking, target)
        return sharing.FileLinkMetadata(
            **known, client_modified=EPOCH, server_modified=EPOCH, rev=target.rev, size=size
        )


def _root_of(asking: Asking) -> Folder:
    if asking.account is None:
        raise BadRequest(
            "This API function operates on a single Dropbox account, but the request has app authentication."
        )
    return asking.account.root


def _above(path: str) -> str | None:
    return path.rpartition("/")[0] if path.startswith("/") else None


def _told(asking: Asking, file: File) -> int:
    """The size, or a lie about it."""
    return file.size * 2 + 1 if asking.befallen("wrong_size", about=[file.name, file.id]) else file.size


def _permissions(link: SharedLink) -> Any:
    return sharing.LinkPermissions(
        can_revoke=False,
        visibility_policies=[],
        can_set_expiry=False,
        can_remove_expiry=False,
        allow_download=link.downloads,
        can_allow_download=False,
        can_disallow_download=False,
        allow_comments=False,
        team_restricts_comments=True,
        effective_audience=sharing.LinkAudience(link.audience),
        require_password=link.password is not None,
    )
