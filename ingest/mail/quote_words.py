"""Words by which mail programs introduce what they quote, in four languages.

Tables only: how they are looked for is written in `quotes`, `signatures` and `forwarded`. All
words are in lower case.
"""

from __future__ import annotations

#: The writing verb of an attribution line.
VERBS = frozenset(
    {
        *("wrote", "writes", "write", "said"),
        *("schreef", "geschreven", "schreven"),
        *("schrieb", "geschrieben", "schreibt"),
        *("пишет", "написал", "написала", "написали", "писал", "писала", "писали", "пишут"),
    }
)

#: The first word of an attribution line that begins with its date.
OPENERS = frozenset({"on", "op", "am", "den", "le", "в"})

WEEKDAYS = frozenset(
    {
        *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "tues", "thurs"),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        *("ma", "di", "wo", "do", "vr", "za", "zo"),
        *("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"),
        *("mo", "mi", "fr", "sa", "so"),
        *("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"),
        *("пн", "вт", "ср", "чт", "пт", "сб", "вс"),
        *("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
        *("среду", "пятницу", "субботу"),
    }
)

#: Labels of a block of header lines.
LABELS = {
    "from": "from",
    "sent": "date",
    "date": "date",
    "to": "to",
    "cc": "cc",
    "subject": "subject",
    "van": "from",
    "verzonden": "date",
    "datum": "date",
    "aan": "to",
    "onderwerp": "subject",
    "von": "from",
    "gesendet": "date",
    "an": "to",
    "kopie": "cc",
    "betreff": "subject",
    "от": "from",
    "от кого": "from",
    "отправитель": "from",
    "отправлено": "date",
    "дата": "date",
    "кому": "to",
    "копия": "cc",
    "тема": "subject",
}

#: Between dashes, before a mail that is answered.
ORIGINAL = frozenset(
    {
        "original message",
        "original mail",
        "oorspronkelijk bericht",
        "oorspronkelijke bericht",
        "origineel bericht",
        "originele bericht",
        "ursprüngliche nachricht",
        "ursprungliche nachricht",
        "ursprüngliche mail",
        "originalnachricht",
        "original-nachricht",
        "исходное сообщение",
        "исходное письмо",
        "оригинальное сообщение",
        "первоначальное сообщение",
    }
)

#: Between dashes, before a mail that is passed on.
FORWARD = frozenset(
    {
        "forwarded message",
        "forwarded mail",
        "doorgestuurd bericht",
        "doorgestuurde bericht",
        "forward bericht",
        "weitergeleitete nachricht",
        "weitergeleitete mail",
        "пересылаемое сообщение",
        "пересылаемое письмо",
        "пересланное сообщение",
        "пересланное письмо",
        "переадресованное сообщение",
        "переадресованное письмо",
        "перенаправленное сообщение",
        "перенаправленное письмо",
    }
)

#: The same without dashes, alone on a line with a colon.
FORWARD_LINES = frozenset(
    {
        "begin forwarded message",
        "begin doorgestuurd bericht",
        "anfang der weitergeleiteten nachricht",
        "anfang der weitergeleiteten e-mail",
        "начало переадресованного сообщения",
        "начало переадресованного письма",
        "начало пересылаемого сообщения",
        "начало пересылаемого письма",
    }
)

#: What a subject begins with, before its colon.
REPLY_PREFIXES = frozenset({"re", "aw", "antw", "antwort", "antwoord", "отв", "ответ", "на", "ha"})
FORWARD_PREFIXES = frozenset(
    {"fwd", "fw", "wg", "weitergeleitet", "doorst", "doorgestuurd", "пер", "переслано", "fwd fwd"}
)

#: A closing on a line of its own, or with a name behind it.
CLOSINGS = (
    *("kind regards", "best regards", "warm regards", "with kind regards", "with best regards"),
    *("yours sincerely", "yours faithfully", "yours truly", "sincerely", "regards"),
    *("best wishes", "many thanks and kind regards", "kindest regards"),
    *("met vriendelijke groet", "met vriendelijke groeten", "met hartelijke groet"),
    *("vriendelijke groet", "vriendelijke groeten", "hartelijke groet", "hartelijke groeten"),
    *("hoogachtend", "met groet", "mvg", "m.v.g", "met beste groeten"),
    *("mit freundlichen grüßen", "mit freundlichen grüssen", "mit freundlichem gruß"),
    *("mit freundlichem gruss", "mit besten grüßen", "mit besten grüssen", "beste grüße"),
    *("freundliche grüße", "freundliche grüsse", "viele grüße", "viele grüsse", "liebe grüße"),
    *("herzliche grüße", "schöne grüße", "hochachtungsvoll", "mfg", "schöne grüsse"),
    *("с уважением", "с наилучшими пожеланиями", "всего доброго", "всего хорошего"),
    *("с наилучшими", "с уважением и наилучшими пожеланиями", "искренне ваш", "искренне ваша"),
    *("с благодарностью", "хорошего дня и с уважением", "с глубоким уважением"),
)

#: Words that also begin a letter: a closing only before a few short lines at the end.
SHORT_CLOSINGS = (
    *("thanks", "thank you", "many thanks", "cheers", "best", "thx"),
    *("groet", "groeten", "gr", "bedankt", "dank", "bij voorbaat dank", "alvast bedankt"),
    *("danke", "vielen dank", "gruß", "grüße", "lg", "vg", "besten dank"),
    *(
        "с ув",
        "с уваж",
        "br",
        "rgds",
        "спасибо",
        "заранее спасибо",
        "благодарю",
        "удачи",
        "хорошего дня",
    ),
)

#: What a telephone or program writes beneath a mail.
DEVICES = (
    *("sent from my ", "sent from outlook", "get outlook for ", "sent from mail for "),
    *("sent from yahoo mail", "sent with proton", "sent via "),
    *("verstuurd vanaf ", "verzonden vanaf ", "verstuurd vanuit ", "verzonden vanuit "),
    *("verzonden met ", "verstuurd met ", "outlook voor "),
    *("von meinem ", "gesendet von ", "gesendet mit ", "outlook für ", "gesendet über "),
    *("diese nachricht wurde von meinem ", "mit proton mail sicher", "verzonden met proton"),
    *("отправлено с ", "отправлено из ", "отправлено через ", "получить outlook для "),
    *("скачать outlook для ", "отправлено от "),
)

#: What is written behind a signature is new again.
POSTSCRIPTS = ("p.s.", "ps:", "ps.", "p.s ", "p.p.s", "n.b.", "з.ы.", "зы:", "п.с.", "пс:")

#: Before a number or an address in a card.
CARD_LABELS = (
    *("tel", "phone", "mobile", "mob", "cell", "fax", "office", "direct", "email", "e-mail"),
    *("telefoon", "mobiel", "kantoor", "telefon", "mobil", "handy", "durchwahl", "büro"),
    *("тел", "моб", "факс", "телефон", "мобильный", "почта", "эл", "доб", "whatsapp", "telegram"),
    *("t", "m", "f", "e", "w", "т", "м", "ф", "web", "www", "http", "https", "skype", "сайт"),
)
