"""How a dialled leg ended, in Asterisk's words, which hosted PBXs pass on as they are."""

from __future__ import annotations

from ingest.domain.calls import Outcome

#: DIALSTATUS of Asterisk's Dial, in lower case.
DIAL_STATUS = {
    "answer": Outcome.ANSWERED,
    "busy": Outcome.BUSY,
    "noanswer": Outcome.NO_ANSWER,
    "cancel": Outcome.CANCELLED,
    "congestion": Outcome.FAILED,
    "chanunavail": Outcome.FAILED,
}
