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
    _directory_changes()


def downgrade() -> None:
    """Take away, part by part and last first, what `upgrade` added."""
    op.drop_table("directory_changes")
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


def _directory_changes() -> None:
    op.create_table(
        "directory_changes",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_directory_changes")),
        sqlite_autoincrement=True,
    )
