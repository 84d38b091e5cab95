-- The FHIR door reads with identity for whoever may: under the seal, which it can open.

GRANT SELECT (sealed) ON identified.submission TO epro_intake;
