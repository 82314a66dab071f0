"""Which folders of a mailbox are followed: INBOX, sent mail, and those that were chosen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INBOX = "INBOX"

#: What mail programs and providers call the folder of sent mail, in lower case. Asked only where
#: no folder carries the attribute \Sent (RFC 6154).
SENT_NAMES = frozenset(
    name
    for names in (
        ("sent", "sent items", "sent mail", "sent messages", "sent-mail", "outgoing"),  # English
        ("отправленные", "исходящие", "отправленные элементы", "отправленная почта"),  # Russian
        ("verzonden", "verzonden items", "verzonden berichten", "verstuurd"),  # Dutch
        ("gesendet", "gesendete elemente", "gesendete objekte", "gesendete nachrichten"),  # German
        ("envoyés", "éléments envoyés", "messages envoyés", "courrier envoyé"),  # French
        ("enviados", "elementos enviados", "mensajes enviados"),  # Spanish
        ("enviadas", "itens enviados", "mensagens enviadas"),  # Portuguese
        ("inviata", "posta inviata", "inviati", "messaggi inviati"),  # Italian
        ("wysłane", "elementy wysłane", "wiadomości wysłane"),  # Polish
        ("надіслані", "відправлені", "надіслані елементи"),  # Ukrainian
        ("адпраўленыя",),  # Belarusian
        ("odeslané", "odeslaná pošta", "odeslané položky"),  # Czech
        ("odoslané", "odoslaná pošta"),  # Slovak
        ("skickat", "skickade objekt", "skickade meddelanden"),  # Swedish
        ("sendt", "sendte elementer", "sendt post"),  # Danish, Norwegian
        ("lähetetyt", "lähetetyt viestit"),  # Finnish
        ("gönderilmiş öğeler", "gönderilenler", "gönderilmiş postalar"),  # Turkish
        ("elküldött elemek", "elküldött", "elküldött üzenetek"),  # Hungarian
        ("trimise", "elemente trimise", "mesaje trimise"),  # Romanian
        ("изпратени", "изпратена поща"),  # Bulgarian
        ("saadetud", "saadetud üksused"),  # Estonian
        ("nosūtītie", "nosūtītās vēstules"),  # Latvian
        ("išsiųsti", "išsiųsti laiškai"),  # Lithuanian
        ("απεσταλμένα",),  # Greek
        ("נשלחו", "דואר יוצא"),  # Hebrew
        ("المرسلة", "العناصر المرسلة"),  # Arabic
        ("送信済み", "送信済みアイテム", "送信済みメール"),  # Japanese
        ("已发送", "已发送邮件", "已傳送郵件", "寄件備份"),  # Chinese
        ("보낸 편지함", "보낸메일함"),  # Korean
    )
    for name in names
)


#: What they call the folder of mail that is done with. Asked only without the attribute \\Archive.
ARCHIVE_NAMES = frozenset(
    (
        *("archive", "archives", "archief", "archiv", "архив", "архів", "archivo", "archivio"),
        *("arquivo", "archiwum", "archív", "arkiv", "arkisto", "arşiv", "archívum", "arhiva"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder as the server lists it."""

    name: str  #: as people read it
    wire_name: str  #: as commands name it, not yet quoted
    attributes: frozenset[str] = frozenset()  #: lower case, such as `\\sent`
    sent: bool = False

    @property
    def selectable(self) -> bool:
        """Tell whether it can hold mail at all."""
        return not self.attributes & {"\\noselect", "\\nonexistent"}


def archives(listed: Iterable[Folder]) -> tuple[Folder, ...]:
    """Return the folders into which a mailbox's rules may move what came in."""
    folders = [folder for folder in listed if folder.selectable]
    marked = tuple(folder for folder in folders if "\\archive" in folder.attributes)
    return marked or tuple(f for f in folders if _last_part(f.name) in ARCHIVE_NAMES)


def to_follow(listed: Iterable[Folder], chosen: Sequence[str] = ()) -> tuple[Folder, ...]:
    """Return INBOX, the folders of sent mail and the chosen ones that exist, INBOX first."""
    folders = [folder for folder in listed if folder.selectable]
    sent = {f.name for f in folders if "\\sent" in f.attributes} or {
        f.name for f in folders if _last_part(f.name) in SENT_NAMES
    }
    followed = [Folder(name=INBOX, wire_name=INBOX)]
    for folder in folders:
        if folder.name.upper() != INBOX and (folder.name in sent or folder.name in chosen):
            followed.append(
                Folder(
                    name=folder.name,
                    wire_name=folder.wire_name,
                    attributes=folder.attributes,
                    sent=folder.name in sent,
                )
            )
    return tuple(followed)


def _last_part(name: str) -> str:
    """Return the name without the prefixes under which some servers put every folder."""
    lowered = name.casefold()
    for prefix in ("inbox.", "inbox/", "[gmail]/", "[google mail]/"):
        lowered = lowered.removeprefix(prefix)
    return lowered
