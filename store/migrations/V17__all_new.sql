-- A chunk of nothing but new submissions is written by one statement. If one of them turns out to be there
-- already, this ends the statement, nothing is written, and the chunk is taken up step by step.

CREATE FUNCTION identified.all_new(inserted bigint, wanted bigint) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF inserted <> wanted THEN
        RAISE EXCEPTION 'a submission of this chunk is there already: the chunk is written step by step'
            USING ERRCODE = 'EP001';
    END IF;
    RETURN 'all new';
END
$$;
COMMENT ON FUNCTION identified.all_new IS 'Refuses (EP001) a chunk of which not everything was new.';

REVOKE EXECUTE ON FUNCTION identified.all_new FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identified.all_new TO epro_worker;
