-- A study that keeps years only is chosen by the years of the period. Which those are is said by the clock that the
-- period was written by: an instant alone doesn't tell, the first one of 2027 in Taipei lies in 2026 in UTC.

ALTER TABLE ops.export ADD COLUMN year_from smallint, ADD COLUMN year_to smallint;
COMMENT ON COLUMN ops.export.year_from IS 'First year of the period, by its own offset; null: written by an older version, then in UTC.';
COMMENT ON COLUMN ops.export.year_to IS 'The last one.';
