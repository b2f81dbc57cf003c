-- Whether keys that an issuing secret makes may also sign requests. Of integration secrets always 0: they make none.
ALTER TABLE shared_secrets ADD COLUMN may_sign BIGINT NOT NULL DEFAULT 0;
