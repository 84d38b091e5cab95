-- Group roles, one for each kind of process or person. They belong to the whole cluster, so another
-- database's migration may be creating them at this very moment: whoever comes second goes on.
-- They can't log in: see the documentation of epro_store::migrate for how login users get them.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['epro_intake', 'epro_worker', 'epro_operator', 'epro_research'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
    END LOOP;
END
$$;

-- The server's own log quotes a refused row in its DETAIL line. Only a superuser (or who was granted
-- SET on the parameter) may switch that off; otherwise it stays the administrator's task.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET log_error_verbosity = terse', current_database());
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'log_error_verbosity = terse could not be set: ask an administrator';
END
$$;

CREATE SCHEMA IF NOT EXISTS ops;
CREATE SCHEMA identified;
CREATE SCHEMA research;
CREATE SCHEMA audit;

REVOKE ALL ON SCHEMA ops, identified, research, audit FROM PUBLIC;
GRANT USAGE ON SCHEMA ops, identified TO epro_intake;
GRANT USAGE ON SCHEMA ops, identified, research, audit TO epro_worker;
GRANT USAGE ON SCHEMA ops, identified, audit TO epro_operator;
GRANT USAGE ON SCHEMA research TO epro_research;
