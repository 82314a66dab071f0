"""How providers give the sound of calls away. Pure; `recordings` fetches.

Facts: the providers' documentation as docs/providers.md names it. None was tried against a live
account.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.recordings import AskForSound, RecordingOf, Recordings
from ingest.telephony.histories import mango, notify, vonage
from ingest.telephony.protocols import ringcentral_api
from ingest.telephony.pulled import answered_object, basic, host_named, secret

ZADARMA_PATH = "/v1/pbx/record/request/"
LIFE_S = "1800"  #: of the link that is asked for


def with_login(name: str, password: str, suffix: str = "") -> AskForSound:
    """Return what asks for the address of a report with these secrets, by HTTP Basic."""

    def request(account: Account, recording: RecordingOf) -> ApiRequest | None:
        if recording.url is None or not _has(account, name, password):
            return None
        headers = basic(secret(account, name), secret(account, password))
        url = recording.url
        bare = suffix and not urlsplit(url).path.endswith((".mp3", ".wav"))
        return ApiRequest(url=url + suffix if bare else url, headers=headers)

    return request


def with_token(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask for the address of a report with the token that RingCentral gives for the JWT."""
    if recording.url is None or not _has(account, *ringcentral_api.NAMES):
        return None
    return ApiRequest(url=recording.url)


def on_own_server(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask a telephone system of the company's own: `recordings_url` and the path it reported.

    With the secrets `recordings_user` and `recordings_password` by HTTP Basic.
    """
    base = account.config.get("recordings_url")
    if recording.url is not None:
        return ApiRequest(url=recording.url)
    if not isinstance(base, str) or not base or recording.id is None:
        return None
    path = recording.id.lstrip("/")
    if ".." in path.split("/") or "\\" in path:
        return None  # a report may name any path; only what lies beneath the base is asked for
    headers = (
        basic(secret(account, "recordings_user"), secret(account, "recordings_password"))
        if _has(account, "recordings_user", "recordings_password")
        else {}
    )
    return ApiRequest(url=f"{base.rstrip('/')}/{quote(path)}", headers=headers)


def own_hosts(account: Account) -> tuple[str, ...]:
    """Return the host of `recordings_url`."""
    base = account.config.get("recordings_url")
    host = urlsplit(base).hostname if isinstance(base, str) else None
    return (host,) if host else ()


def _has(account: Account, *names: str) -> bool:
    return all(any(held.get(name) for held in account.secrets) for name in names)


def _of_mango(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask for a recording by its id; the answer sends on to a link that works once."""
    if recording.id is None:
        return None
    asked = {"recording_id": recording.id, "action": "download"}
    return mango.signed(account, "queries/recording/post", asked)


def of_notify(host: str) -> AskForSound:
    """Return what asks Zadarma, or Novofon's old platform, for a link."""

    def request(account: Account, recording: RecordingOf) -> ApiRequest | None:
        if recording.id is None or not _has(account, "api_key", "api_secret"):
            return None
        query = urlencode(sorted({"call_id": recording.id, "lifetime": LIFE_S}.items()))
        proof = notify.signature(secret(account, "api_secret"), ZADARMA_PATH, query)
        return ApiRequest(
            url=f"https://{host}{ZADARMA_PATH}?{query}",
            headers={"Authorization": f"{secret(account, 'api_key')}:{proof}"},
        )

    return request


def _notify_link(account: Account, response: ApiResponse) -> ApiRequest:
    """Read {"status": "success", "link": "https://...", "lifetime_till": "..."}; or `links`."""
    found = answered_object(response)
    links = found.get("links")
    link = found.get("link") or (links[0] if isinstance(links, list) and links else None)
    if not isinstance(link, str):
        raise UnreadableDelivery("the provider named no link to the recording")
    return ApiRequest(url=link)


def _of_bandwidth(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask as a user of the interface; a source set up before it had one, as its webhooks."""
    login = with_login("api_user", "api_password")(account, recording)
    return login or with_login("basic_user", "basic_password")(account, recording)


def _of_vonage(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask for the address of the event; the token is made when it is asked for."""
    equipped = recording.url is not None and _has(account, *vonage.SECRETS)
    return ApiRequest(url=str(recording.url)) if equipped else None


MANGO_SOUND = Recordings(
    request=_of_mango,
    hosts=("app.mango-office.ru", ".mango-office.ru"),
    secrets=("vpbx_api_key", "vpbx_api_salt"),
)
ZADARMA_SOUND = Recordings(
    request=of_notify(notify.ZADARMA_HOST),
    link=_notify_link,
    hosts=(notify.ZADARMA_HOST, ".zadarma.com"),
    secrets=("api_key", "api_secret"),
)
TWILIO_SOUND = Recordings(
    request=with_login("account_sid", "auth_token", ".mp3"),
    hosts=("api.twilio.com",),
    secrets=("account_sid", "auth_token"),
)
BANDWIDTH_SOUND = Recordings(
    request=_of_bandwidth,
    hosts=("voice.bandwidth.com",),
    secrets=("basic_user", "basic_password"),
)
VONAGE_SOUND = Recordings(
    request=_of_vonage,
    made=vonage.token,
    hosts=(".nexmo.com", ".vonage.com"),
    secrets=vonage.SECRETS,
)
#: Links that carry their own proof and live some minutes.
TELNYX_SOUND = Recordings(hosts=("s3.amazonaws.com", ".s3.amazonaws.com", "api.telnyx.com"))
AIRCALL_SOUND = Recordings(hosts=("assets.aircall.io", ".aircall.io"))
UIS_SOUND = Recordings(hosts=(".uiscom.ru", ".comagic.ru", ".callgear.com"))
PLIVO_SOUND = Recordings(hosts=("media.plivo.com", ".plivo.com"))
DIALPAD_SOUND = Recordings(hosts=(".dialpad.com",))
#: `contentUri` of the call log lies at another host than the interface, behind the same token.
RINGCENTRAL_SOUND = Recordings(
    request=with_token,
    hosts=(ringcentral_api.HOST, "media.ringcentral.com"),
    hosts_of=lambda account: (ringcentral_api.host_of(account),),
    secrets=ringcentral_api.NAMES,
    grant=ringcentral_api.GRANT,
)
#: The virtual exchanges of MegaFon's kind lie at the account's own host.
CRMAPI_SOUND = Recordings(hosts_of=lambda account: host_named(account, "api_host"))
OWN_SOUND = Recordings(
    request=on_own_server,
    hosts_of=own_hosts,
    secrets=("recordings_user", "recordings_password"),
)
