"""The telephone systems that we understand; a new one is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.domain.deliveries import Provider
from ingest.telephony.providers.aircall import AIRCALL
from ingest.telephony.providers.asterisk import ASTERISK
from ingest.telephony.providers.bandwidth import BANDWIDTH
from ingest.telephony.providers.beeline import BEELINE
from ingest.telephony.providers.callfile import CALLFILE
from ingest.telephony.providers.cisco_cucm import CISCO_CUCM
from ingest.telephony.providers.dialpad import DIALPAD
from ingest.telephony.providers.exolve_vats import EXOLVE_VATS
from ingest.telephony.providers.freeswitch import FREESWITCH
from ingest.telephony.providers.generic import GENERIC
from ingest.telephony.providers.grandstream_ucm import GRANDSTREAM_UCM
from ingest.telephony.providers.mango import MANGO
from ingest.telephony.providers.megafon import MEGAFON
from ingest.telephony.providers.mts_vats import MTS_VATS
from ingest.telephony.providers.novofon import NOVOFON
from ingest.telephony.providers.onlinepbx import ONLINEPBX
from ingest.telephony.providers.placetel import PLACETEL
from ingest.telephony.providers.plivo import PLIVO
from ingest.telephony.providers.ringcentral import RINGCENTRAL
from ingest.telephony.providers.rostelecom import ROSTELECOM
from ingest.telephony.providers.signalwire import SIGNALWIRE
from ingest.telephony.providers.sipgate import SIPGATE
from ingest.telephony.providers.sipuni import SIPUNI
from ingest.telephony.providers.t2 import T2
from ingest.telephony.providers.telnyx import TELNYX
from ingest.telephony.providers.telphin import TELPHIN
from ingest.telephony.providers.threecx import THREECX
from ingest.telephony.providers.twilio import TWILIO
from ingest.telephony.providers.uis import UIS
from ingest.telephony.providers.vonage import VONAGE
from ingest.telephony.providers.yeastar_p import YEASTAR_P
from ingest.telephony.providers.zadarma import ZADARMA
from ingest.telephony.providers.zammad import ZAMMAD
from ingest.telephony.providers.zoom_phone import ZOOM_PHONE

PROVIDERS: Mapping[str, Provider] = {
    "3cx": THREECX,
    "aircall": AIRCALL,
    "asterisk": ASTERISK,
    "bandwidth": BANDWIDTH,
    "beeline": BEELINE,
    "callfile": CALLFILE,
    "cisco_cucm": CISCO_CUCM,
    "dialpad": DIALPAD,
    "exolve_vats": EXOLVE_VATS,
    "freeswitch": FREESWITCH,
    "generic": GENERIC,
    "grandstream_ucm": GRANDSTREAM_UCM,
    "mango": MANGO,
    "megafon": MEGAFON,
    "mts_vats": MTS_VATS,
    "novofon": NOVOFON,
    "onlinepbx": ONLINEPBX,
    "placetel": PLACETEL,
    "plivo": PLIVO,
    "ringcentral": RINGCENTRAL,
    "rostelecom": ROSTELECOM,
    "signalwire": SIGNALWIRE,
    "sipgate": SIPGATE,
    "sipuni": SIPUNI,
    "t2": T2,
    "telnyx": TELNYX,
    "telphin": TELPHIN,
    "twilio": TWILIO,
    "uis": UIS,
    "vonage": VONAGE,
    "yeastar_p": YEASTAR_P,
    "zadarma": ZADARMA,
    "zammad": ZAMMAD,
    "zoom_phone": ZOOM_PHONE,
}
