"""Every query made for a person, in one place to import from.

Each function takes the connection and whom it reads for first, and `now` where an answer depends
on the moment. Supervisors see everything. A manager sees the clients whose effective primary he
is now, with their touches and flags, and the company's own directory; nothing that would name,
number or count another client, and nothing unmatched. What a viewer may not see is as if it were
not there.
"""

from storage.reads_clients import (
    ClientCard,
    ClientView,
    ContactView,
    PointView,
    client,
    list_clients,
)
from storage.reads_common import BadCursor, Named, OwnLine, Page
from storage.reads_directory import (
    EmployeeView,
    Holder,
    LineView,
    employee,
    line,
    list_employees,
    list_lines,
)
from storage.reads_filter import InteractionFilter
from storage.reads_flags import (
    FlagFilter,
    FlagOrder,
    FlagState,
    FlagView,
    count_flags,
    flag,
    list_flags,
)
from storage.reads_interactions import (
    ClosedAs,
    FlagRef,
    InteractionView,
    MailBody,
    ParticipantView,
    count_interactions,
    interaction,
    list_interactions,
    mail_body,
)
from storage.reads_operations import (
    Counter,
    MailboxView,
    SourceView,
    list_mailboxes,
    list_sources,
    mailbox,
    source,
    today,
    today_filters,
)
from storage.reads_review import (
    DeliveryView,
    ReviewDetail,
    count_deliveries,
    count_review_items,
    delivery,
    list_decisions,
    list_deliveries,
    list_review_items,
    review_item,
)

__all__ = [
    "BadCursor",
    "ClientCard",
    "ClientView",
    "ClosedAs",
    "ContactView",
    "Counter",
    "DeliveryView",
    "EmployeeView",
    "FlagFilter",
    "FlagOrder",
    "FlagRef",
    "FlagState",
    "FlagView",
    "Holder",
    "InteractionFilter",
    "InteractionView",
    "LineView",
    "MailBody",
    "MailboxView",
    "Named",
    "OwnLine",
    "Page",
    "ParticipantView",
    "PointView",
    "ReviewDetail",
    "SourceView",
    "client",
    "count_deliveries",
    "count_flags",
    "count_interactions",
    "count_review_items",
    "delivery",
    "employee",
    "flag",
    "interaction",
    "line",
    "list_clients",
    "list_decisions",
    "list_deliveries",
    "list_employees",
    "list_flags",
    "list_interactions",
    "list_lines",
    "list_mailboxes",
    "list_review_items",
    "list_sources",
    "mail_body",
    "mailbox",
    "review_item",
    "source",
    "today",
    "today_filters",
]
