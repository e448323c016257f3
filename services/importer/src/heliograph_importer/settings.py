"""What an importer reads from its environment."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, Json, SecretStr

from heliograph_common.setting_sources import LATE
from heliograph_common.settings import ImportSettings, LimitSettings, ServiceSettings, WordSettings

_Text = TypeVar("_Text", str, SecretStr)


def _stripped(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return SecretStr(value.get_secret_value().strip())
    return value.strip() if isinstance(value, str) else value


_Stripped = Annotated[_Text, BeforeValidator(_stripped)]
"""Files and pasted values have white space around them, which no key has, and no header can carry."""


class ImporterOwnSettings(BaseModel):
    """Listing and fetching."""

    slots: int = Field(8, ge=1, description="Number of files fetched concurrently by a process.")
    list_slots: int = Field(2, ge=1, description="Number of folder pages listed concurrently by a process.")
    window: int = Field(
        100,
        ge=2,
        le=5_000,
        description="Number of files under way in the installation at a time, shared fairly; half for one owner.",
    )
    hold_seconds: float = Field(300.0, gt=0, description="Time limit of an attempt at a file or a page, in seconds.")
    max_attempts: int = Field(
        7,
        ge=1,
        description="Failed attempts after which a file is marked as failed; 7 take some 20 minutes.",
    )
    max_files: int = Field(1_000_000, ge=1, description="Maximum number of files of an import.")
    max_days: float = Field(
        7.0, gt=0, description="Days after which an import that is not done fails; a retry lets it go on."
    )
    patience: float = Field(
        5.0, ge=0, description="Seconds to wait for delivery by NATS before work is taken from PostgreSQL."
    )


class DriveSettings(BaseModel):
    """Google Drive. Without an API key, only named credentials and users' tokens work."""

    base_url: str = Field("https://www.googleapis.com/drive/v3/", description="Base URL of the Drive API, version 3.")
    token_url: str = Field("https://oauth2.googleapis.com/token", description="URL where access tokens are issued.")
    api_key: _Stripped[SecretStr] | None = Field(
        None, description="API key, for folders that anyone with the link can view."
    )
    client_id: _Stripped[str] | None = Field(None, description="OAuth client ID, to refresh users' tokens.")
    client_secret: _Stripped[SecretStr] | None = Field(
        None, description="OAuth client secret, to refresh users' tokens."
    )
    requests_per_minute: int = Field(
        6_000, ge=1, description="Requests per minute with one credential, over all importers."
    )


class DropboxSettings(BaseModel):
    """Dropbox. Without app key and secret, only named credentials and users' tokens work."""

    api_url: str = Field("https://api.dropboxapi.com", description="Base URL of the Dropbox API.")
    content_url: str = Field("https://content.dropboxapi.com", description="Base URL of Dropbox file contents.")
    app_key: _Stripped[str] | None = Field(None, description="App key, for shared links and to refresh users' tokens.")
    app_secret: _Stripped[SecretStr] | None = Field(
        None, description="App secret, for shared links and to refresh users' tokens."
    )
    requests_per_minute: int = Field(
        1_200, ge=1, description="Requests per minute with one credential, over all importers."
    )


class UrlSettings(BaseModel):
    """Lists of URLs."""

    requests_per_minute: int = Field(600, ge=1, description="Requests per minute to one host, over all importers.")
    allowed_networks: list[str] = Field(
        [],
        description="Networks in CIDR notation that may be requested although they are not public. Anyone who may import "
        "can make importers send requests to them.",
    )


def _key(value: Any) -> Any:
    """What is empty is no key."""
    stripped = _stripped(value)
    text = stripped.get_secret_value() if isinstance(stripped, SecretStr) else stripped
    return stripped if text else None


class UnsplashSettings(BaseModel):
    """Unsplash, where pictures of words come from. How often it is asked is ``words.requests_per_hour``."""

    base_url: str = Field(
        "https://api.unsplash.com",
        pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$",
        description="Base URL of the Unsplash API.",
    )
    access_key: Annotated[SecretStr | None, BeforeValidator(_key), LATE] = Field(
        None,
        description="Access key. Without one, words wait. Set it from a file: a key that appears or changes in the file is "
        "used without a restart.",
    )
    app_name: str = Field(
        "heliograph",
        pattern=r"^[A-Za-z0-9._~-]{1,64}$",
        description="Name of the application at Unsplash, which links to photos and photographers carry as `utm_source`.",
    )


class NamedApiKey(BaseModel):
    """An API key of Google Drive."""

    kind: Literal["api_key"] = Field("api_key", description="Kind of the credential.")
    key: _Stripped[SecretStr] = Field(description="The key.")


class NamedAppKey(BaseModel):
    """App key and secret of Dropbox."""

    kind: Literal["app_key"] = Field("app_key", description="Kind of the credential.")
    key: _Stripped[str] = Field(description="App key.")
    secret: _Stripped[SecretStr] = Field(description="App secret.")


class NamedServiceAccount(BaseModel):
    """The JSON key of a service account of Google Drive."""

    kind: Literal["service_account"] = Field("service_account", description="Kind of the credential.")
    info: dict[str, str] = Field(repr=False, description="Content of the JSON key file.")


class NamedOAuthToken(BaseModel):
    """A user's token, with which the installation may import."""

    kind: Literal["oauth"] = Field("oauth", description="Kind of the credential.")
    access_token: _Stripped[SecretStr] = Field(
        SecretStr(""), description="Access token. Empty to get one by the refresh token."
    )
    refresh_token: _Stripped[SecretStr] | None = Field(None, description="Refresh token.")
    client_id: _Stripped[str] | None = Field(
        None, description="OAuth client ID. Defaults to that of the source's settings."
    )
    client_secret: _Stripped[SecretStr] | None = Field(
        None, description="OAuth client secret. Defaults to that of the source's settings."
    )


class NamedCredential(BaseModel):
    """A credential of the installation, which imports may name."""

    source: str = Field(description="Source that it is for: `google_drive` or `dropbox`.")
    owners: list[str] = Field(["*"], description="Owners who may use it: subjects of their tokens, `*` for all.")
    credential: NamedApiKey | NamedAppKey | NamedServiceAccount | NamedOAuthToken = Field(
        discriminator="kind", description="The credential itself."
    )


class CredentialSettings(BaseModel):
    """Credentials that imports may name."""

    named: Json[dict[str, NamedCredential]] | dict[str, NamedCredential] = Field(
        {}, description="Credentials by name, as JSON (docs/guides/imports.md). Set it from a file."
    )


class ImporterSettings(ServiceSettings):
    """All settings of the importer."""

    limits: LimitSettings = LimitSettings()
    imports: ImportSettings = ImportSettings()
    words: WordSettings = WordSettings()
    importer: ImporterOwnSettings = ImporterOwnSettings()
    google_drive: DriveSettings = DriveSettings()
    dropbox: DropboxSettings = DropboxSettings()
    urls: UrlSettings = UrlSettings()
    unsplash: UnsplashSettings = UnsplashSettings()
    credentials: CredentialSettings = CredentialSettings()
