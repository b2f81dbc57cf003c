-- What keys have in common in a keyring: whose they are, and from where and how they may be used. A key names its own.
CREATE TABLE policies (
    number BIGINT PRIMARY KEY,
    -- SHA-256 of the rest, by which it is found.
    digest {blob} NOT NULL UNIQUE,
    tenant {blob} NOT NULL REFERENCES tenants (id),
    person {blob} REFERENCES people (id),
    role {blob} REFERENCES roles (id),
    key_group {blob} REFERENCES key_groups (id),
    prefix {text} NOT NULL,
    networks {text} NOT NULL,
    external_id {text} NOT NULL,
    metadata {text} NOT NULL,
    limits {text} NOT NULL
);
CREATE INDEX policies_by_person ON policies (person) WHERE person IS NOT NULL;
CREATE INDEX policies_by_role ON policies (role) WHERE role IS NOT NULL;
CREATE INDEX policies_by_group ON policies (key_group) WHERE key_group IS NOT NULL;
CREATE INDEX policies_by_tenant ON policies (tenant);

-- 0 until the keys that there are have got theirs.
ALTER TABLE api_keys ADD COLUMN policy BIGINT NOT NULL DEFAULT 0;
-- All that a keyring says of a key, in the order of its chunks.
CREATE INDEX keys_for_keyrings ON api_keys (tenant, id, policy, kind, activated, read_only, revoked_at, not_before,
    expires_at, deleted_at, secret_version);

-- The values in the order of the keys: a keyring is made by reading both side by side.
CREATE TABLE key_values_by_key (
    api_key {blob} NOT NULL REFERENCES api_keys (id),
    generation BIGINT NOT NULL,
    data_key {blob} NOT NULL REFERENCES data_keys (id),
    sealed {blob} NOT NULL,
    accepted_until BIGINT NOT NULL,
    PRIMARY KEY (api_key, generation)
) {clustered};
INSERT INTO key_values_by_key (api_key, generation, data_key, sealed, accepted_until)
    SELECT api_key, generation, data_key, sealed, accepted_until FROM key_values ORDER BY api_key, generation;
DROP TABLE key_values;
ALTER TABLE key_values_by_key RENAME TO key_values;
CREATE INDEX key_values_by_data_key ON key_values (data_key);

CREATE TABLE rings (
    -- The keyring id.
    id {blob} PRIMARY KEY,
    name {text} NOT NULL UNIQUE,
    -- For every tenant, those to come too; otherwise for those in ring_tenants.
    everyone BIGINT NOT NULL,
    fresh_for BIGINT NOT NULL,
    valid_for BIGINT NOT NULL,
    -- Grows when a root can no longer be made from the one before: a whole keyring is due.
    layout BIGINT NOT NULL,
    -- The root that its destination was last seen with.
    published_epoch BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    retired_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE ring_tenants (
    ring {blob} NOT NULL REFERENCES rings (id),
    tenant {blob} NOT NULL REFERENCES tenants (id),
    PRIMARY KEY (ring, tenant)
);
CREATE INDEX ring_tenants_by_tenant ON ring_tenants (tenant);

-- Tenants that a ring was for, and until when a root may be valid that has their keys.
CREATE TABLE ring_former_tenants (
    ring {blob} NOT NULL REFERENCES rings (id),
    tenant {blob} NOT NULL REFERENCES tenants (id),
    until_at BIGINT NOT NULL,
    PRIMARY KEY (ring, tenant)
);
CREATE INDEX ring_former_tenants_by_tenant ON ring_former_tenants (tenant);

-- Keyring keys: what roots are made with, the one to come, and the one before.
CREATE TABLE ring_keys (
    id {blob} PRIMARY KEY,
    ring {blob} NOT NULL REFERENCES rings (id),
    -- 1 present, 2 next, 3 previous
    standing BIGINT NOT NULL,
    data_key {blob} NOT NULL REFERENCES data_keys (id),
    sealed {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (ring, standing)
);

-- Where a policy stands in a keyring: its index there.
CREATE TABLE ring_policies (
    ring {blob} NOT NULL REFERENCES rings (id),
    policy BIGINT NOT NULL REFERENCES policies (number),
    slot BIGINT NOT NULL,
    PRIMARY KEY (ring, policy)
) {clustered};
CREATE UNIQUE INDEX ring_policies_by_slot ON ring_policies (ring, slot);

-- Every root that a keyring may have, noted before it is written: whoever finds another one knows that it is not this
-- store's.
CREATE TABLE ring_roots (
    ring {blob} NOT NULL REFERENCES rings (id),
    epoch BIGINT NOT NULL,
    -- SHA-256 of its bytes; empty until they are made.
    digest {blob} NOT NULL,
    -- The last writing transaction that it knows of.
    sequence BIGINT NOT NULL,
    layout BIGINT NOT NULL,
    -- How many indices of policies it knows of.
    slots BIGINT NOT NULL,
    keyring_key {blob} NOT NULL,
    issued_at BIGINT NOT NULL,
    -- Until when a verifier that has it may go on.
    valid_until BIGINT NOT NULL,
    PRIMARY KEY (ring, epoch)
);

-- Parts that the present root need not name, and from when on no root does.
CREATE TABLE ring_garbage (
    ring {blob} NOT NULL REFERENCES rings (id),
    part {blob} NOT NULL,
    delete_after BIGINT NOT NULL,
    PRIMARY KEY (ring, part)
) {clustered};
CREATE INDEX ring_garbage_by_time ON ring_garbage (ring, delete_after);

-- What changed, for the keyrings: the last writing transaction in which each did.
CREATE TABLE changes (
    tenant {blob} NOT NULL,
    -- 1 keys whose ids start with these 16 bits, 2 user or service account, 3 role, 4 key group, 5 the tenant itself,
    -- 6 its shared secrets
    kind BIGINT NOT NULL,
    id {blob} NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) {clustered};
CREATE INDEX changes_by_sequence ON changes (sequence);

-- Since when a verifier has reported everything without a gap until reported_at; of earlier reports only the end was kept.
ALTER TABLE verifiers ADD COLUMN reported_from BIGINT NOT NULL DEFAULT 0;

-- Which times a verifier has reported in full: no two of its stretches touch, and the last is in verifiers, too.
CREATE TABLE usage_stretches (
    verifier {blob} NOT NULL REFERENCES verifiers (id) ON DELETE CASCADE,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    PRIMARY KEY (verifier, from_at)
);
INSERT INTO usage_stretches (verifier, from_at, until_at) SELECT id, 0, reported_at FROM verifiers WHERE reported_at > 0;

-- The batches that were counted, so that none is counted twice.
CREATE TABLE usage_batches (
    verifier {blob} NOT NULL REFERENCES verifiers (id) ON DELETE CASCADE,
    batch {blob} NOT NULL,
    -- As the verifier said it, even if that is in the future.
    until_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    known BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    PRIMARY KEY (verifier, batch)
);
CREATE INDEX usage_batches_by_time ON usage_batches (until_at);
