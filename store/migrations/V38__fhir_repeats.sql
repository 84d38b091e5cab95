-- The FHIR door tells a repeat from a conflict as the worker does: by content and version of its algorithm, or by bytes.

GRANT SELECT (content_version, body_sha256) ON identified.submission TO epro_intake;
