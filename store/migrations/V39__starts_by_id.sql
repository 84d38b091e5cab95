-- Each start is known by an id of its own: whoever outlived it takes back that one, whenever it can, and no other.
-- A version before this one counts without ids: then there are more starts than ids.

ALTER TABLE ops.suspect ADD COLUMN open uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ops.suspect.open IS 'Ids of the starts that nobody has taken back: their processes ended, or haven''t said yet that they didn''t.';
