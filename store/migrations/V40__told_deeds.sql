-- What an operator changes is told in the trail, or it isn't changed: a transaction that changes one of these rows
-- without an event about it doesn't commit. A row's own submission says whether an event is about it; where a row has
-- none, the event's details name it.
--
-- It holds for who may change these rows as `epro_operator` only. A worker tells of each of its deeds where that has
-- its own transaction, and pays for this one condition; the owner of the tables could drop the triggers as well.

-- The events that are about no submission, by what they are about. A writer's row is nearly always about a submission:
-- then its first condition is all that this index costs. Making it reads the trail once, and its writers wait so long.
CREATE INDEX event_named_idx ON audit.event (COALESCE(details ->> 'dead_letter', details ->> 'key'))
    WHERE submission_id IS NULL
        AND action IN ('pause.set', 'pause.ended', 'dead_letter.redriven', 'dead_letter.discarded');

-- No name in here is looked up anywhere but where it is meant: whoever may make a temporary type can't put one before.
CREATE FUNCTION ops.is_told() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    submission uuid;
    named      text;
    told       boolean;
BEGIN
    IF TG_TABLE_NAME = 'pause' THEN
        IF TG_OP = 'DELETE' THEN
            named := OLD.key;
        ELSE
            named := NEW.key;
        END IF;
    ELSE
        submission := NEW.submission_id;
        IF submission IS NULL THEN
            named := NEW.id::text;
        END IF;
    END IF;
    IF submission IS NOT NULL THEN
        told := EXISTS (SELECT FROM audit.event e
            WHERE e.submission_id = submission AND e.xmin = pg_current_xact_id()::xid);
    ELSE
        told := EXISTS (SELECT FROM audit.event e
            WHERE e.submission_id IS NULL
                AND e.action IN ('pause.set', 'pause.ended', 'dead_letter.redriven', 'dead_letter.discarded')
                AND starts_with(e.action, TG_TABLE_NAME::text || '.')
                AND COALESCE(e.details ->> 'dead_letter', e.details ->> 'key') = named
                AND e.xmin = pg_current_xact_id()::xid);
    END IF;
    IF NOT told THEN
        RAISE EXCEPTION 'ops.% was changed without an event of the audit trail that tells of it', TG_TABLE_NAME
            USING ERRCODE = 'EP002';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION ops.is_told IS 'Refuses (EP002) a change that no event of the same transaction tells of.';
REVOKE EXECUTE ON FUNCTION ops.is_told FROM PUBLIC;

CREATE CONSTRAINT TRIGGER alert_told AFTER UPDATE ON ops.alert
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (pg_has_role('epro_operator', 'USAGE') AND NOT pg_has_role('epro_worker', 'USAGE'))
    EXECUTE FUNCTION ops.is_told();
CREATE CONSTRAINT TRIGGER delivery_told AFTER UPDATE ON ops.delivery
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (pg_has_role('epro_operator', 'USAGE') AND NOT pg_has_role('epro_worker', 'USAGE'))
    EXECUTE FUNCTION ops.is_told();
CREATE CONSTRAINT TRIGGER risk_told AFTER UPDATE ON ops.risk
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (pg_has_role('epro_operator', 'USAGE') AND NOT pg_has_role('epro_worker', 'USAGE'))
    EXECUTE FUNCTION ops.is_told();
CREATE CONSTRAINT TRIGGER dead_letter_told AFTER UPDATE ON ops.dead_letter
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (pg_has_role('epro_operator', 'USAGE') AND NOT pg_has_role('epro_worker', 'USAGE'))
    EXECUTE FUNCTION ops.is_told();
CREATE CONSTRAINT TRIGGER pause_told AFTER INSERT OR DELETE ON ops.pause
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (pg_has_role('epro_operator', 'USAGE') AND NOT pg_has_role('epro_worker', 'USAGE'))
    EXECUTE FUNCTION ops.is_told();
