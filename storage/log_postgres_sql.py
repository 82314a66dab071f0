"""Tables and statements of a PostgreSQL delivery log; `{log}` and the like are its table names.

Places as in `log_rows`: 0 in the row, 1 in a file, 2 emptied.
"""

from __future__ import annotations

from typing import LiteralString

SCHEMA: LiteralString = """
CREATE TABLE IF NOT EXISTS {partition} (
    partition integer PRIMARY KEY,
    epoch text NOT NULL
);
CREATE TABLE IF NOT EXISTS {log} (
    partition integer NOT NULL,
    position bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    event_id text COLLATE "C",
    received_us bigint NOT NULL,
    head text NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    place smallint NOT NULL,
    body bytea,
    PRIMARY KEY (partition, position),
    UNIQUE (source, key)
);
CREATE INDEX IF NOT EXISTS {event_index} ON {log} (source, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS {file_index} ON {log} (sha256) WHERE place = 1;
CREATE TABLE IF NOT EXISTS {memory} (name text COLLATE "C" PRIMARY KEY, value text NOT NULL);
"""

KNOWN_KEYS: LiteralString = """
SELECT l.source, l.key, l.partition, l.position
FROM unnest(%b::text[], %b::text[]) AS g(source, key)
JOIN {log} l ON l.source = g.source AND l.key = g.key
"""
KNOWN_EVENTS: LiteralString = """
SELECT DISTINCT l.source, l.event_id
FROM unnest(%b::text[], %b::text[]) AS g(source, event_id)
JOIN {log} l ON l.source = g.source AND l.event_id = g.event_id
"""
LAST: LiteralString = "SELECT coalesce(max(position), 0) FROM {log} WHERE partition = %s"
INSERT: LiteralString = """
INSERT INTO {log} (partition, position, source, key, event_id, received_us, head, sha256, size,
                   place, body)
SELECT %b::int, * FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::bigint[],
                              %b::text[], %b::bytea[], %b::bigint[], %b::smallint[], %b::bytea[])
"""
ROWS: LiteralString = """
SELECT position, source, key, event_id, received_us, head, sha256, size, place, body FROM {log}
WHERE partition = %s AND position > %s AND position <= %s ORDER BY position
"""
IMPRINT: LiteralString = """
SELECT source, key, event_id, received_us, sha256, size, place FROM {log}
WHERE partition = %s AND position = %s
"""
#: Where a reading of so many rows and so many bytes ends.
READ_END: LiteralString = """
SELECT max(position) FROM (
    SELECT position, sum(CASE WHEN place = 2 THEN 0 ELSE size END)
                     OVER (ORDER BY position) - size AS before
    FROM (SELECT position, size, place FROM {log} WHERE partition = %s AND position > %s
          ORDER BY position LIMIT %s) AS next
) AS summed WHERE before < %s
"""
FILES_OF: LiteralString = """
SELECT DISTINCT sha256 FROM {log} WHERE place = 1 AND partition = %s AND position = ANY(%s)
"""
FILE_IS_NAMED: LiteralString = "SELECT 1 FROM {log} WHERE sha256 = %s AND place = 1"
EMPTY: LiteralString = """
UPDATE {log} SET body = NULL, head = '{{}}', place = 2
WHERE place <> 2 AND partition = %s AND position = ANY(%s)
"""
