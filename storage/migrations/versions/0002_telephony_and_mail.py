"""What every provider's calls and every mailbox need beside the first schema."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add each part's tables and columns; what is stored already stays as it is."""


def downgrade() -> None:
    """Take away, part by part and last first, what `upgrade` added."""
