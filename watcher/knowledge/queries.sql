-- name: waiting
-- Candidates that were not taken in, or have come to say something else, in the order in which they came.
SELECT i.session_file, i.candidate_id, i.username, i.session_id, i.turn_id, i.occurred_at, i.detection_type, i.title,
       i.content, i.user_quote, i.domain, i.entities, i.source, i.extractor
FROM knowledge_inbox i
LEFT JOIN knowledge_intake t ON t.session_file = i.session_file AND t.candidate_id = i.candidate_id
WHERE t.digest IS NULL
   OR t.digest <> md5(i.detection_type || ':' || i.domain || ':' || i.title || ':' || i.content || ':' || i.entities)
ORDER BY i.arrival, i.session_file, i.candidate_id
LIMIT $1;

-- name: count_waiting
SELECT count(*)
FROM knowledge_inbox i
LEFT JOIN knowledge_intake t ON t.session_file = i.session_file AND t.candidate_id = i.candidate_id
WHERE t.digest IS NULL
   OR t.digest <> md5(i.detection_type || ':' || i.domain || ':' || i.title || ':' || i.content || ':' || i.entities);

-- name: note_intake
INSERT INTO knowledge_intake (session_file, candidate_id, digest, item_id, evidence_id, taken_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (session_file, candidate_id)
DO UPDATE SET digest = excluded.digest, item_id = excluded.item_id, evidence_id = excluded.evidence_id,
              taken_at = excluded.taken_at;

-- name: add_evidence
INSERT INTO verification_evidence (evidence_id, item_id, session_file, session_id, turn_id, username, occurred_at,
                                   detection_type, user_quote, source, extractor, source_gone, added_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false, $12)
ON CONFLICT (evidence_id) DO NOTHING;

-- name: lost_sources
-- Evidence that no file holds any more, and evidence that one holds again: what its mark is to be.
-- A file holds it by the candidate that it came from, or by the same words of the same turn or session: so it is
-- too where an extractor has come to put them otherwise, or the evidence was copied into what two items were merged to.
WITH held AS (
    SELECT i.session_file, i.candidate_id, i.turn_id, coalesce(i.session_id, i.session_file) AS session, i.user_quote
    FROM knowledge_inbox i
    LEFT JOIN (SELECT session_file, bool_and(status = 'gone') AS gone FROM session_processor_state
               GROUP BY session_file) p ON p.session_file = i.session_file
    WHERE NOT coalesce(p.gone, false)
)
SELECT e.evidence_id, h.evidence_id IS NULL
FROM verification_evidence e
LEFT JOIN (
    SELECT t.evidence_id
    FROM held JOIN knowledge_intake t ON t.session_file = held.session_file AND t.candidate_id = held.candidate_id
    UNION
    SELECT o.evidence_id
    FROM held JOIN verification_evidence o ON o.user_quote = held.user_quote AND o.turn_id = held.turn_id
    UNION
    SELECT o.evidence_id
    FROM held JOIN verification_evidence o ON o.user_quote = held.user_quote AND o.session_file = held.session_file
    UNION
    SELECT o.evidence_id
    FROM held JOIN verification_evidence o
        ON o.user_quote = held.user_quote AND coalesce(o.session_id, o.session_file) = held.session
) h ON h.evidence_id = e.evidence_id
WHERE e.source NOT IN ('admin', 'import', 'merge') AND e.source_gone <> (h.evidence_id IS NULL);

-- name: mark_evidence
UPDATE verification_evidence SET source_gone = $2 WHERE evidence_id = $1;

-- name: standing
-- What an item's evidence comes to.
SELECT item_id, detection_type, source, username, coalesce(occurred_at, added_at)
FROM verification_evidence
WHERE item_id = ANY($1);

-- name: shelf
-- In the order in which they came.
SELECT item_id, title, content, domain, entities, status, owner FROM knowledge_items ORDER BY created_at, item_id;

-- name: said_by
-- What items say now, and to whom.
SELECT item_id, title, content, domain, owner, status FROM knowledge_items WHERE item_id = ANY($1);

-- name: said_of
-- What was said of items before, and in which session.
SELECT evidence_id, item_id, coalesce(session_id, session_file), user_quote
FROM verification_evidence
WHERE item_id = ANY($1);

-- name: add_item
INSERT INTO knowledge_items (item_id, title, content, domain, entities, status, source, audience, owner, base, floor,
                             verifiers, valid_from, valid_until, created_at, updated_at, confirmed_at, check_owed,
                             check_attempts, decided_by, decided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, 0, $18, $19);

-- name: restand
-- What was decided counts as much as what was said; without any evidence ($5 is NULL) it is all that counts.
UPDATE knowledge_items
SET base = $2, floor = $3, verifiers = $4,
    confirmed_at = CASE WHEN status IN ('approved', 'mandatory') AND decided_at IS NOT NULL
                        THEN greatest(decided_at, coalesce($5, decided_at))
                        ELSE coalesce($5, confirmed_at) END
WHERE item_id = $1;

-- name: relate
INSERT INTO knowledge_relations (item_a, item_b, kind, score, made_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (item_a, item_b, kind) DO NOTHING;

-- name: note
INSERT INTO knowledge_history (entry_id, item_id, happened_at, actor, action, from_status, to_status, reason, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: owed_checks
-- Items that were not compared with the others yet, and may be now.
SELECT item_id FROM knowledge_items
WHERE check_owed AND (check_after IS NULL OR check_after <= $1)
ORDER BY created_at, item_id
LIMIT $2;

-- name: count_owed
SELECT count(*), max(check_attempts), max(check_error) FROM knowledge_items WHERE check_owed;

-- name: checked
UPDATE knowledge_items SET check_owed = false, check_after = NULL, check_error = NULL
WHERE item_id = ANY($1);

-- name: check_failed
UPDATE knowledge_items SET check_attempts = $2, check_after = $3, check_error = $4 WHERE item_id = $1;

-- name: add_contradiction
INSERT INTO knowledge_contradictions (contradiction_id, item_a, item_b, severity, explanation, suggestion,
                                      merged_title, merged_content, found_by, found_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
-- One that an item's end has closed is open again where both count again; what people settled stays settled.
ON CONFLICT (contradiction_id) DO UPDATE
SET severity = excluded.severity, explanation = excluded.explanation, suggestion = excluded.suggestion,
    merged_title = excluded.merged_title, merged_content = excluded.merged_content, found_by = excluded.found_by,
    found_at = excluded.found_at, resolution = NULL, resolved_by = NULL, resolved_at = NULL, reason = NULL
WHERE knowledge_contradictions.resolution = 'closed';

-- name: item
SELECT {ITEM} FROM knowledge_items WHERE item_id = $2;

-- name: items
-- Shown to those who may see them: not personal, or their own. What is told of an item is looked up for those shown.
WITH fitting AS (
    SELECT item_id AS fits, status AS stands, created_at AS came, {CONFIDENCE} AS sure, count(*) OVER () AS total
    FROM knowledge_items
    WHERE (owner IS NULL OR owner = $2)
      AND ($3 = '' OR status = $3) AND ($4 = '' OR domain = $4)
      AND (NOT $5 OR owner = $2 OR status IN ('approved', 'mandatory'))
      {WORDS}
    ORDER BY (status = 'pending') DESC, sure DESC, created_at DESC, item_id
    LIMIT $6 OFFSET $7
)
SELECT {ITEM},
       (SELECT coalesce(sum(vote), 0) FROM knowledge_votes v WHERE v.item_id = knowledge_items.item_id) AS votes, total
FROM fitting JOIN knowledge_items ON item_id = fits
ORDER BY (stands = 'pending') DESC, sure DESC, came DESC, fits;

-- name: evidence
SELECT item_id, evidence_id, username, session_file, session_id, turn_id, occurred_at, detection_type, user_quote,
       source, extractor, source_gone
FROM verification_evidence
WHERE item_id = ANY($1)
ORDER BY coalesce(occurred_at, added_at), evidence_id;

-- name: history
SELECT happened_at, actor, action, from_status, to_status, reason, details
FROM knowledge_history
WHERE item_id = $1
ORDER BY happened_at, entry_id;

-- name: relations
SELECT CASE WHEN item_a = $1 THEN item_b ELSE item_a END, kind, score
FROM knowledge_relations
WHERE item_a = $1 OR item_b = $1
ORDER BY score DESC, 1;

-- name: contradictions
SELECT c.contradiction_id, c.item_a, c.item_b, c.severity, c.explanation, c.suggestion, c.merged_title,
       c.merged_content, c.found_by, c.found_at, c.resolution, c.resolved_by, c.resolved_at, c.reason, c.merged_item,
       a.title, a.content, a.status, b.title, b.content, b.status
FROM knowledge_contradictions c
JOIN knowledge_items a ON a.item_id = c.item_a
JOIN knowledge_items b ON b.item_id = c.item_b
WHERE a.owner IS NULL AND b.owner IS NULL
  AND ($1 = '' OR c.contradiction_id = $1) AND ($2 = '' OR c.item_a = $2 OR c.item_b = $2)
  AND ($3 OR c.resolution IS NULL)
ORDER BY (c.resolution IS NULL) DESC, (c.severity = 'hard') DESC, c.found_at DESC, c.contradiction_id
LIMIT 1000;

-- name: resolve
UPDATE knowledge_contradictions
SET resolution = $2, resolved_by = $3, resolved_at = $4, reason = $5, merged_item = $6
WHERE contradiction_id = $1;

-- name: open_with
-- What an item still contradicts, and which contradiction that is.
SELECT contradiction_id, CASE WHEN item_a = $1 THEN item_b ELSE item_a END
FROM knowledge_contradictions
WHERE (item_a = $1 OR item_b = $1) AND resolution IS NULL
ORDER BY contradiction_id;

-- name: decide
UPDATE knowledge_items
SET status = CAST($2 AS VARCHAR), decided_by = $3, decided_at = $4, updated_at = $4, confirmed_at = greatest(confirmed_at, $5),
    superseded_by = $6,
    -- What did not count was not compared with what came meanwhile.
    check_owed = check_owed OR (CAST($2 AS VARCHAR) IN ('approved', 'mandatory') AND status NOT IN ('pending', 'approved', 'mandatory'))
WHERE item_id = $1;

-- name: rewrite
UPDATE knowledge_items
SET title = $2, content = $3, domain = $4, entities = $5, audience = $6, owner = $7, valid_from = $8,
    valid_until = $9, updated_at = $10, check_owed = check_owed OR $11
WHERE item_id = $1;

-- name: votes
SELECT username, vote, voted_at FROM knowledge_votes WHERE item_id = $1 ORDER BY voted_at, username;

-- name: vote
INSERT INTO knowledge_votes (item_id, username, vote, voted_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (item_id, username) DO UPDATE SET vote = excluded.vote, voted_at = excluded.voted_at;

-- name: unvote
DELETE FROM knowledge_votes WHERE item_id = $1 AND username = $2;

-- name: bundle
-- What is served to agents: mandatory items, then approved ones, those first that count most; of these at most $4.
SELECT item_id, title, content, domain, status, confidence, weight, total
FROM (
    SELECT item_id, title, content, domain, status, confidence, weight, count(*) OVER () AS total,
           row_number() OVER (PARTITION BY status ORDER BY weight DESC, item_id) AS place
    FROM (
        SELECT item_id, title, content, domain, status, confidence,
               confidence * greatest(0.0, 1.0 - age / 365.0) AS weight
        FROM (
            SELECT item_id, title, content, domain, status, {CONFIDENCE} AS confidence,
                   greatest(0.0, (CAST($1 AS DOUBLE PRECISION)
                                  - CAST(extract(epoch FROM confirmed_at) AS DOUBLE PRECISION)) / 86400) AS age
            FROM knowledge_items
            WHERE status IN ('approved', 'mandatory') AND owner IS NULL AND audience = ANY($2)
              AND (valid_from IS NULL OR valid_from <= $3) AND (valid_until IS NULL OR valid_until > $3)
        ) AS aged
    ) AS weighed
) AS served
WHERE status = 'mandatory' OR place <= $4
ORDER BY (status = 'mandatory') DESC, weight DESC, item_id;

-- name: expiring
SELECT item_id, status FROM knowledge_items WHERE status IN ('approved', 'mandatory') AND valid_until <= $1;

-- name: counts
SELECT status, count(*) FROM knowledge_items WHERE owner IS NULL GROUP BY status ORDER BY status;

-- name: count_open
SELECT count(*)
FROM knowledge_contradictions c
JOIN knowledge_items a ON a.item_id = c.item_a
JOIN knowledge_items b ON b.item_id = c.item_b
WHERE c.resolution IS NULL AND a.owner IS NULL AND b.owner IS NULL;

-- name: sources_of
-- What one session has brought.
SELECT DISTINCT evidence_id FROM knowledge_intake WHERE session_file = $1
UNION SELECT evidence_id FROM verification_evidence WHERE session_file = $1;

-- name: other_source
-- Where else a piece of evidence stands.
SELECT i.session_file, i.session_id, i.username
FROM verification_evidence e
JOIN knowledge_inbox i ON i.session_file <> $2
LEFT JOIN knowledge_intake t ON t.session_file = i.session_file AND t.candidate_id = i.candidate_id
WHERE e.evidence_id = $1
  AND (t.evidence_id = $1 OR (i.user_quote = e.user_quote AND (i.turn_id = e.turn_id OR i.session_id = e.session_id)))
ORDER BY i.session_file
LIMIT 1;

-- name: erase_source
DELETE FROM knowledge_intake WHERE session_file = $1;

-- name: erase_inbox
DELETE FROM knowledge_inbox WHERE session_file = $1;

-- name: erase_evidence
DELETE FROM verification_evidence WHERE evidence_id = $1;

-- name: move_evidence
UPDATE verification_evidence SET session_file = $2, session_id = $3, username = $4 WHERE evidence_id = $1;

-- name: unproven
-- Items without any evidence that were never approved.
SELECT item_id FROM knowledge_items i
WHERE item_id = ANY($1)
  AND NOT EXISTS (SELECT 1 FROM verification_evidence e WHERE e.item_id = i.item_id)
  AND NOT EXISTS (SELECT 1 FROM knowledge_history h
                  WHERE h.item_id = i.item_id AND h.to_status IN ('approved', 'mandatory'));

-- name: exported
-- Everything that is not somebody's own, in the order in which it came.
SELECT {ITEM} FROM knowledge_items WHERE owner IS NULL ORDER BY created_at, item_id;

-- name: notes
SELECT note, username, digest, items, filtered, attempts, after, error FROM knowledge_notes;

-- name: note_taken
INSERT INTO knowledge_notes (note, username, digest, items, filtered, taken_at, attempts, after, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (note)
DO UPDATE SET digest = excluded.digest, items = excluded.items, filtered = excluded.filtered,
              taken_at = excluded.taken_at, attempts = excluded.attempts, after = excluded.after,
              error = excluded.error;

-- name: note_gone
DELETE FROM knowledge_notes WHERE note = $1;

-- name: erase_noted
-- That it was taken stays known: a note that has not changed is not taken again.
UPDATE knowledge_notes SET items = 0 WHERE note = $1;

-- name: noted_items
-- What waits, or was taken, of one note.
SELECT candidate_id, title, content, user_quote FROM knowledge_inbox WHERE session_file = $1;

-- name: drop_noted
DELETE FROM knowledge_inbox WHERE session_file = $1 AND candidate_id = ANY($2);

-- name: add_noted
INSERT INTO knowledge_inbox (session_file, candidate_id, username, occurred_at, detection_type, title, content,
                             user_quote, domain, entities, source, extractor, secrets)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)
ON CONFLICT (session_file, candidate_id) DO NOTHING;

-- name: count_noted
-- What people noted and nobody has decided about yet: items that wait for review, and what waits to become one.
SELECT (SELECT count(*) FROM knowledge_items WHERE status = 'pending' AND source = $1 AND owner IS NULL)
     + (SELECT count(*)
        FROM knowledge_inbox i
        LEFT JOIN knowledge_intake t ON t.session_file = i.session_file AND t.candidate_id = i.candidate_id
        WHERE i.source = $1 AND t.digest IS NULL);
