-- A contradiction with an item that counts no more is settled by what ended the item, also where that was long ago.
UPDATE knowledge_contradictions
SET resolution = 'closed', resolved_by = i.decided_by, resolved_at = i.decided_at,
    reason = i.item_id || ' is ' || i.status
FROM knowledge_items i
WHERE resolution IS NULL AND i.item_id = item_a AND i.status NOT IN ('pending', 'approved', 'mandatory');

UPDATE knowledge_contradictions
SET resolution = 'closed', resolved_by = i.decided_by, resolved_at = i.decided_at,
    reason = i.item_id || ' is ' || i.status
FROM knowledge_items i
WHERE resolution IS NULL AND i.item_id = item_b AND i.status NOT IN ('pending', 'approved', 'mandatory');
