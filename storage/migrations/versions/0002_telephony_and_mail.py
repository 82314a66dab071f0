"""What every provider's calls and every mailbox need beside the first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add each part's tables and columns; what is stored already stays as it is."""
    _recordings()
    _oauth_apps()
    _directory_changes()
    _ties()
    _undelivered()
    _certificates()


def downgrade() -> None:
    """Take away, part by part and last first, what `upgrade` added."""
    op.drop_table("certificates")
    op.drop_table("undelivered")
    for table in ("call_witnesses", "tie_verdicts", "neighbours"):
        op.drop_table(table)
    op.drop_table("directory_changes")
    op.drop_table("oauth_apps")
    op.drop_table("recordings")


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("call_key", sa.Text(), nullable=False),
        sa.Column("provider_key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("provider_id", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("because", sa.Text()),
        sa.Column("digest", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("content_type", sa.Text()),
        sa.Column("fetched_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
    )
    op.create_index("ix_recordings_call_key", "recordings", ["call_key"])
    op.create_index("ix_recordings_due", "recordings", ["state", "next_at"])
    op.create_index("ix_recordings_digest", "recordings", ["digest"])


def _oauth_apps() -> None:
    op.create_table(
        "oauth_apps",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("provenance", sa.Text()),
        sa.Column("decision_id", sa.Text()),
        sa.Column("retracted_at", sa.BigInteger()),
        sa.Column("retracted_by", sa.Text()),
        sa.Column("retracted_why", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_apps")),
    )
    op.create_index(
        "uq_oauth_apps_provider",
        "oauth_apps",
        ["provider"],
        unique=True,
        sqlite_where=sa.text("retracted_at IS NULL"),
        postgresql_where=sa.text("retracted_at IS NULL"),
    )


def _directory_changes() -> None:
    op.create_table(
        "directory_changes",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_directory_changes")),
        sqlite_autoincrement=True,
    )


def _ties() -> None:
    op.create_table(
        "neighbours",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("together", sa.Boolean(), nullable=False),
        *_of_a_fact(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_neighbours")),
    )
    op.create_index(
        "uq_neighbours_change",
        "neighbours",
        ["source", "other", "from_at"],
        unique=True,
        sqlite_where=sa.text("retracted_at IS NULL"),
        postgresql_where=sa.text("retracted_at IS NULL"),
    )
    op.create_table(
        "tie_verdicts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *_of_a_fact(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tie_verdicts")),
    )
    op.create_index("ix_tie_verdicts_key", "tie_verdicts", ["key"])
    op.create_table(
        "call_witnesses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key_ids", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("spot", sa.Text()),
        sa.Column("tied", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_witnesses")),
    )
    op.create_index("ix_call_witnesses_interaction_id", "call_witnesses", ["interaction_id"])
    op.create_index("ix_call_witnesses_spot", "call_witnesses", ["spot"])
    op.create_index("ix_call_witnesses_remote", "call_witnesses", ["remote", "started_at"])
    op.create_index("ix_call_witnesses_source", "call_witnesses", ["source", "started_at"])


def _undelivered() -> None:
    op.create_table(
        "undelivered",
        sa.Column("mail_id", sa.Text(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("mail_id", "point", name=op.f("pk_undelivered")),
    )
    op.create_index("ix_undelivered_point", "undelivered", ["point"])


def _certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
    )
    op.create_index("ix_certificates_made_at", "certificates", ["made_at", "id"])
    op.create_index("ix_certificates_source", "certificates", ["source", "made_at"])


def _of_a_fact() -> list[sa.Column[object]]:
    return [
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("provenance", sa.Text()),
        sa.Column("decision_id", sa.Text()),
        sa.Column("retracted_at", sa.BigInteger()),
        sa.Column("retracted_by", sa.Text()),
        sa.Column("retracted_why", sa.Text()),
    ]
