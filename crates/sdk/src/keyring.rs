//! From the store to keyrings: what a verifier is told about the keys of some tenants.

use crate::{
    Access, ApiKey, Error, KeyOwner, KeyStatus, Result, Session, TenantId,
    effective::{self, PolicyParts},
    ids::RecordId,
    keys::{self, Switches},
    rows::{RowExt, damaged},
    shared_secrets,
    sql::Statement,
    work::Work,
};
use claviger_core::{
    BuildError, KeyId, KeyKind, KeyPrefix, KeyRecord, KeyringBuilder, KeyringKey, KeyringPart, KeyringSecret,
    KeyringTerms, POLICIES_PER_PAGE, Policy, Purpose, SharedSecret,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many keys are read at once.
const BATCH: i64 = 1000;

/// Keyrings: see [`Session::keyrings`]. All of it is the platform operator's.
#[derive(Clone, Copy)]
pub struct Keyrings<'s>(pub(crate) &'s Session);

impl Keyrings<'_> {
    /// A whole keyring, in one bundle, of every key of `audience` as it is now.
    ///
    /// Whoever holds `key` can verify these keys, and could pose as any of them. `epoch` must be greater than that of
    /// any bundle that was given to verifiers before.
    ///
    /// # Errors
    /// [`Error::Refused`] for anybody but the operator; [`Error::NotFound`] for a tenant that there is not;
    /// [`Error::Invalid`] for an epoch or terms that a keyring cannot have.
    pub async fn bundle(
        self,
        audience: &[TenantId],
        key: &KeyringKey,
        terms: KeyringTerms,
        epoch: u64,
    ) -> Result<Vec<u8>> {
        let mut contents = Contents::default();
        let mut now = {
            let work = self.0.read().await?;
            work.require_operator()?;
            work.now
        };
        for &tenant in audience.iter().collect::<BTreeSet<_>>() {
            let mut work = self.0.in_tenant(tenant).read().await?;
            work.require_operator()?;
            contents.add_secrets(&mut work).await?;
            contents.add_keys(&mut work).await?;
            now = work.now;
        }
        contents.bundle(key, terms, epoch, now.unsigned_abs())
    }
}

/// What a keyring is to hold.
#[derive(Default)]
pub(crate) struct Contents {
    policies: Vec<Policy<'static>>,
    known_policies: HashMap<Vec<u8>, u32>,
    records: Vec<KeyRecord>,
    secrets: Vec<(SharedSecret, Option<(KeyPrefix, u32)>)>,
    access: HashMap<KeyOwner, Access>,
}

impl Contents {
    /// The index of a policy. Keys that are told the same share one.
    fn policy(&mut self, policy: Policy<'static>) -> u32 {
        let next = u32::try_from(self.policies.len()).unwrap_or(u32::MAX);
        let index = *self.known_policies.entry(policy.as_bytes().to_vec()).or_insert(next);
        if index == next {
            self.policies.push(policy);
        }
        index
    }

    /// What is known of one key.
    pub(crate) async fn add_key(&mut self, work: &mut Work, key: &ApiKey) -> Result<()> {
        let access = match self.access.get(&key.owner) {
            Some(access) => access.clone(),
            None => {
                let access = effective::access_of_owner(work, key.owner).await?;
                self.access.insert(key.owner, access.clone());
                access
            }
        };
        // Roles that grow can give more than a policy has room for. One such key is not good; the others are not held up.
        let parts = PolicyParts::from(key);
        let (policy, told) = match effective::policy(&parts, &access) {
            Err(Error::Invalid { .. }) => (effective::policy(&parts, &Access::default())?, false),
            policy => (policy?, true),
        };
        let policy = self.policy(policy);
        let mut records = effective::records(work, key, policy).await?;
        records.iter_mut().for_each(|record| record.disabled |= !told);
        self.records.extend(records);
        Ok(())
    }

    /// Every key of the tenant in which the work is done: personal keys too, and signed keys that were deleted as long as
    /// their text could be good.
    async fn add_keys(&mut self, work: &mut Work) -> Result<()> {
        let tenant = work.tenant()?.id;
        let mut last = Vec::new();
        loop {
            let mut query = Statement::new(keys::SELECT);
            query.push(" WHERE k.tenant = ").bind(tenant.bytes()).push(" AND k.id > ").bind(last);
            query.push(" AND (k.deleted_at = 0 OR (k.kind = 3 AND k.expires_at > ").bind(work.now);
            query.push(")) ORDER BY k.id LIMIT ").bind(BATCH);
            let keys = keys::read_all(work, query).await?;
            let Some(end) = keys.last() else { return Ok(()) };
            last = end.id.bytes();
            for key in
                keys.iter().filter(|key| key.status != KeyStatus::Expired || key.kind != KeyKind::Signed)
            {
                self.add_key(work, key).await?;
            }
        }
    }

    /// The accepted versions of the tenant's shared secrets.
    async fn add_secrets(&mut self, work: &mut Work) -> Result<()> {
        let tenant = work.tenant()?;
        let query = "SELECT v.id AS id, v.version AS version, v.data_key AS data_key, v.sealed AS sealed, \
                     s.prefix AS prefix, s.role AS role FROM secret_versions v JOIN shared_secrets s ON s.id = v.secret \
                     WHERE s.tenant = $1 AND v.accepted_until > $2 ORDER BY v.id";
        let rows = work.all(sqlx::query(query).bind(tenant.id.bytes()).bind(work.now)).await?;
        for row in rows {
            let secret = shared_secrets::open(work, &row).await?;
            let issues = match secret.purpose() {
                Purpose::Integration => None,
                Purpose::Issuing => {
                    let prefix = row.text("prefix")?.parse().map_err(|_| damaged("prefix"))?;
                    let role = row.optional_id("role")?;
                    let policy =
                        self.issuing_policy(work, tenant.id, !tenant.switched_on, prefix, role).await?;
                    Some((prefix, policy))
                }
            };
            self.secrets.push((secret, issues));
        }
        Ok(())
    }

    /// What signed keys may do of which nothing else is known.
    async fn issuing_policy(
        &mut self,
        work: &mut Work,
        tenant: TenantId,
        tenant_off: bool,
        prefix: KeyPrefix,
        role: Option<crate::RoleId>,
    ) -> Result<u32> {
        let (access, role_name) = match role {
            None => (Access::default(), String::new()),
            Some(role) => {
                let query = sqlx::query("SELECT name FROM roles WHERE id = $1").bind(role.bytes());
                let name = work.one(query).await?.text("name")?;
                (effective::access_of_role(work, role).await?, name)
            }
        };
        let parts = PolicyParts {
            tenant,
            // Named after the tenant, whatever the role.
            owner: KeyOwner::Tenant {
                role: role.unwrap_or_else(|| RecordId::from_key_id(KeyId::from_u64(0))),
            },
            role_name: &role_name,
            prefix,
            networks: &[],
            external_id: None,
            metadata: None,
            limits: &[],
            switches: Switches { group_off: false, owner_off: false, tenant_off },
        };
        let policy = effective::policy(&parts, &access)?;
        Ok(self.policy(policy))
    }

    pub(crate) fn bundle(
        &self,
        key: &KeyringKey,
        terms: KeyringTerms,
        epoch: u64,
        issued_at: u64,
    ) -> Result<Vec<u8>> {
        self.build(key, terms, epoch, issued_at).map_err(|error| Error::invalid("keyring", error.to_string()))
    }

    fn build(
        &self,
        key: &KeyringKey,
        terms: KeyringTerms,
        epoch: u64,
        issued_at: u64,
    ) -> Result<Vec<u8>, BuildError> {
        let mut builder = KeyringBuilder::new(key, terms, self.records.len());
        let mut parts: HashMap<[u8; 32], KeyringPart> = HashMap::new();
        for (page, policies) in (0_u32..).zip(self.policies.chunks(POLICIES_PER_PAGE as usize)) {
            let policies: Vec<Option<Policy<'_>>> = policies.iter().cloned().map(Some).collect();
            let part = builder.set_page(page, &policies)?;
            parts.insert(part.hash, part);
        }
        let mut buckets: BTreeMap<u32, Vec<KeyRecord>> = BTreeMap::new();
        for record in &self.records {
            buckets.entry(builder.bucket_of(record.id)).or_default().push(record.clone());
        }
        for (bucket, records) in buckets {
            if let Some(part) = builder.set_bucket(bucket, &records)? {
                parts.insert(part.hash, part);
            }
        }
        let secrets: Vec<KeyringSecret<'_>> = self
            .secrets
            .iter()
            .map(|(secret, issues)| match issues {
                Some((prefix, policy)) => KeyringSecret::issuing(secret, *prefix, *policy),
                None => KeyringSecret::integration(secret),
            })
            .collect();
        builder.set_shared_secrets(&secrets)?;
        let root = builder.finish(epoch, issued_at)?;
        builder.bundle(&root, |hash| parts.get(hash).map(|part| part.bytes.as_slice()))
    }
}
