-- A process may ask whether the database is as new as it is itself.
GRANT SELECT ON ops.schema_history TO epro_intake, epro_worker;
