CREATE TABLE store (
    id {blob} PRIMARY KEY,
    created_at BIGINT NOT NULL,
    -- Counts writing transactions; changing it first is what makes writers wait for each other.
    sequence BIGINT NOT NULL,
    -- The last audit event, so that events cut off at the end are missed.
    audit_sequence BIGINT NOT NULL,
    audit_mac {blob} NOT NULL,
    -- What new values are sealed under, and what new audit events are authenticated with.
    data_key {blob} NOT NULL,
    audit_key {blob} NOT NULL
);

CREATE TABLE data_keys (
    id {blob} PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- Each data key under the master key, and under the recovery key if there is one.
CREATE TABLE data_key_wraps (
    data_key {blob} NOT NULL REFERENCES data_keys (id) ON DELETE CASCADE,
    wrapping_key {blob} NOT NULL,
    is_recovery BIGINT NOT NULL,
    wrapped {blob} NOT NULL,
    PRIMARY KEY (data_key, wrapping_key)
);

CREATE TABLE audit_keys (
    id {blob} PRIMARY KEY,
    data_key {blob} NOT NULL REFERENCES data_keys (id),
    sealed {blob} NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tenants (
    id {blob} PRIMARY KEY,
    name {text} NOT NULL UNIQUE,
    -- Separated by spaces; the first is the default.
    prefixes {text} NOT NULL,
    switched_on BIGINT NOT NULL,
    locked BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE permissions (
    name {text} PRIMARY KEY,
    description {text} NOT NULL,
    built_in BIGINT NOT NULL
);

CREATE TABLE roles (
    id {blob} PRIMARY KEY,
    tenant {blob} NOT NULL REFERENCES tenants (id),
    name {text} NOT NULL,
    description {text} NOT NULL,
    -- Only the read-only part of its permissions.
    read_only BIGINT NOT NULL,
    built_in BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX roles_by_name ON roles (tenant, name) WHERE deleted = 0;

CREATE TABLE role_permissions (
    role {blob} NOT NULL REFERENCES roles (id),
    permission {text} NOT NULL,
    PRIMARY KEY (role, permission)
);

CREATE TABLE people (
    id {blob} PRIMARY KEY,
    tenant {blob} NOT NULL REFERENCES tenants (id),
    is_service_account BIGINT NOT NULL,
    name {text} NOT NULL,
    name_folded {text} NOT NULL,
    organisation {text} NOT NULL,
    email {text} NOT NULL,
    external_id {text},
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX service_accounts_by_name ON people (tenant, name) WHERE is_service_account = 1;
CREATE UNIQUE INDEX people_by_external_id ON people (tenant, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX people_by_name ON people (tenant, name_folded, id);

CREATE TABLE person_roles (
    person {blob} NOT NULL REFERENCES people (id),
    role {blob} NOT NULL REFERENCES roles (id),
    PRIMARY KEY (person, role)
);
CREATE INDEX person_roles_by_role ON person_roles (role);

CREATE TABLE person_permissions (
    person {blob} NOT NULL REFERENCES people (id),
    permission {text} NOT NULL,
    PRIMARY KEY (person, permission)
);

CREATE TABLE key_groups (
    id {blob} PRIMARY KEY,
    tenant {blob} NOT NULL REFERENCES tenants (id),
    name {text} NOT NULL,
    description {text} NOT NULL,
    switched_on BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE shared_secrets (
    id {blob} PRIMARY KEY,
    tenant {blob} NOT NULL REFERENCES tenants (id),
    is_issuing BIGINT NOT NULL,
    name {text} NOT NULL,
    -- Of the keys that an issuing secret makes.
    prefix {text} NOT NULL,
    role {blob} REFERENCES roles (id),
    retired_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE secret_versions (
    id {blob} PRIMARY KEY,
    secret {blob} NOT NULL REFERENCES shared_secrets (id),
    version BIGINT NOT NULL,
    data_key {blob} NOT NULL REFERENCES data_keys (id),
    sealed {blob} NOT NULL,
    -- Until when it is accepted.
    accepted_until BIGINT NOT NULL,
    -- Until when a key that it made can be valid.
    keys_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX secret_versions_by_secret ON secret_versions (secret, created_at);

CREATE TABLE api_keys (
    id {blob} PRIMARY KEY,
    tenant {blob} NOT NULL REFERENCES tenants (id),
    -- 0 service account, 1 user in a role, 2 tenant in a role, 3 personal
    owner_kind BIGINT NOT NULL,
    person {blob} REFERENCES people (id),
    role {blob} REFERENCES roles (id),
    role_name {text} NOT NULL,
    name {text} NOT NULL,
    name_folded {text} NOT NULL,
    description {text} NOT NULL,
    description_folded {text} NOT NULL,
    key_group {blob} NOT NULL REFERENCES key_groups (id),
    -- 1 opaque, 2 opaque and for signing, 3 signed
    kind BIGINT NOT NULL,
    prefix {text} NOT NULL,
    activated BIGINT NOT NULL,
    -- Somebody else than its user has deactivated it, so that he cannot activate it.
    held BIGINT NOT NULL,
    read_only BIGINT NOT NULL,
    api_client BIGINT NOT NULL,
    networks {text} NOT NULL,
    lifetime BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    lead_days {text} NOT NULL,
    external_id {text} NOT NULL,
    metadata {text} NOT NULL,
    limits {text} NOT NULL,
    last_used_at BIGINT NOT NULL,
    use_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by {text} NOT NULL,
    revision BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    revocation_reason {text} NOT NULL,
    review_due_at BIGINT NOT NULL,
    -- Of a signed key: what made it.
    secret_version {blob} REFERENCES secret_versions (id),
    -- 1 in lists; 0 personal, or deleted: the row stays so that its id is never given again.
    listed BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE INDEX keys_by_name ON api_keys (tenant, name_folded, id) WHERE listed = 1;
CREATE INDEX keys_by_description ON api_keys (tenant, description_folded, id) WHERE listed = 1;
CREATE INDEX keys_by_role_name ON api_keys (tenant, role_name, id) WHERE listed = 1;
CREATE INDEX keys_by_last_use ON api_keys (tenant, last_used_at, id) WHERE listed = 1;
CREATE INDEX keys_by_creation ON api_keys (tenant, created_at, id) WHERE listed = 1;
CREATE INDEX keys_by_expiry ON api_keys (tenant, expires_at, id) WHERE listed = 1;
-- Three columns are fixed in each list that these are for, fewer in those of the others: that is how SQLite, which
-- counts no rows, knows which to take. Rows in no list are in them too: a group that is deleted, or a role, asks for all.
CREATE INDEX keys_by_group ON api_keys (key_group, tenant, listed, name_folded, id);
CREATE INDEX keys_by_person ON api_keys (person, tenant, listed, name_folded, id) WHERE person IS NOT NULL;
CREATE INDEX keys_by_role ON api_keys (role, tenant, listed, name_folded, id) WHERE role IS NOT NULL;
CREATE INDEX keys_by_activation ON api_keys (tenant, activated, name_folded, id) WHERE listed = 1;
CREATE INDEX keys_for_review ON api_keys (tenant, review_due_at, id) WHERE listed = 1 AND review_due_at > 0;
CREATE INDEX api_clients ON api_keys (tenant, name_folded, id) WHERE listed = 1 AND api_client = 1;
-- At most one personal key of a user.
CREATE UNIQUE INDEX personal_keys ON api_keys (person) WHERE owner_kind = 3 AND deleted_at = 0;
CREATE INDEX keys_by_secret_version ON api_keys (secret_version) WHERE secret_version IS NOT NULL;

-- What proves an opaque key. The highest generation is the present secret; the one before stands until its end.
CREATE TABLE key_values (
    api_key {blob} NOT NULL REFERENCES api_keys (id),
    generation BIGINT NOT NULL,
    data_key {blob} NOT NULL REFERENCES data_keys (id),
    sealed {blob} NOT NULL,
    accepted_until BIGINT NOT NULL,
    PRIMARY KEY (api_key, generation)
);
CREATE INDEX key_values_by_data_key ON key_values (data_key);

CREATE TABLE key_notices (
    api_key {blob} NOT NULL REFERENCES api_keys (id),
    person {blob} NOT NULL REFERENCES people (id),
    PRIMARY KEY (api_key, person)
);

CREATE TABLE key_reviews (
    api_key {blob} NOT NULL REFERENCES api_keys (id),
    reviewed_at BIGINT NOT NULL,
    reviewer {text} NOT NULL,
    note {text} NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX key_reviews_by_key ON key_reviews (api_key, reviewed_at);

CREATE TABLE verifiers (
    id {blob} PRIMARY KEY,
    name {text} NOT NULL UNIQUE,
    registered_at BIGINT NOT NULL,
    -- Everything until then is reported.
    reported_at BIGINT NOT NULL
);

CREATE TABLE idempotency_keys (
    scope {text} NOT NULL,
    idempotency_key {text} NOT NULL,
    request {blob} NOT NULL,
    records {text} NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (used_at);

CREATE TABLE audit_events (
    sequence BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    tenant {blob},
    actor {text} NOT NULL,
    origin {text} NOT NULL,
    action {text} NOT NULL,
    record {text} NOT NULL,
    details {text} NOT NULL,
    audit_key {blob} NOT NULL REFERENCES audit_keys (id),
    mac {blob} NOT NULL
);
CREATE INDEX audit_events_by_tenant ON audit_events (tenant, sequence);
CREATE INDEX audit_events_by_record ON audit_events (record, sequence);
