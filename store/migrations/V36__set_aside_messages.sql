-- A door is asked what became of a message that has no row yet.
CREATE INDEX dead_letter_message_idx ON ops.dead_letter (message_id) WHERE message_id IS NOT NULL;
