-- Who checks the trail, anchors it and copies it for an inspector: reads `audit`, appends its own deeds to it,
-- holds the lease under which one process at a time makes anchors, and sees nothing else. The key that signs
-- anchors is this role's alone: whoever writes the trail can't vouch for it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'epro_auditor') THEN
        BEGIN
            CREATE ROLE epro_auditor NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA audit, ops TO epro_auditor;
GRANT SELECT, INSERT ON audit.writer, audit.event TO epro_auditor;
GRANT SELECT, INSERT, UPDATE ON ops.lease, ops.lease_owner TO epro_auditor;
GRANT DELETE ON ops.lease_owner TO epro_auditor;
