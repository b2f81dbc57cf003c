//! Signed keys of every fate, for verifiers that have no keyring: good ones, and what is made of them.

use crate::{
    Presented,
    company::{Company, prefix, random, text},
};
use anyhow::{Context, Result};
use chrono::{TimeDelta, Utc};
use claviger_core::{
    IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SignedKeyTerms, generate_opaque_key,
};
use claviger_parity::setup::Options;
use claviger_sdk::{Lifetime, NewKey, RoleId};

/// What the verifiers are told, and what is presented to them.
pub(crate) struct SignedKeys {
    pub(crate) options: Options,
    pub(crate) keys: Vec<Presented>,
}

impl SignedKeys {
    /// Generates keys while the issuing secret of the company is rotated twice.
    pub(crate) fn generate(company: &mut Company) -> Result<Self> {
        let role = company.run(company.administrator().roles().named("dispatcher"))?.id;
        let now = Utc::now();
        company.set_clock(now);
        let day = Lifetime::days(1);
        let retired_key = make(company, role, day)?;
        company.run(company.administrator().shared_secrets().rotate(company.secret, TimeDelta::zero()))?;
        let previous_key = make(company, role, day)?;
        let previous = reveal(company)?;
        company.run(company.administrator().shared_secrets().rotate(company.secret, TimeDelta::days(1)))?;
        let current = reveal(company)?;

        let good = make(company, role, Lifetime::days(30))?;
        let read_only = NewKey::for_tenant(role, "reader", day).read_only().signed_by(company.secret);
        let read_only = text(&company.run(company.administrator().keys().generate(read_only))?)?;
        // The minute of its issue counts, so it has between 60 and 120 seconds left.
        let near_expiry = make(company, role, Lifetime::of(TimeDelta::minutes(2)))?;
        let unlimited = make(company, role, Lifetime::UNLIMITED)?;
        company.set_clock(now - TimeDelta::hours(1));
        let expired = make(company, role, Lifetime::of(TimeDelta::minutes(5)))?;
        company.set_clock(now + TimeDelta::hours(1));
        let ahead = make(company, role, day)?;
        company.set_clock(now);

        let forged = SharedSecret::generate(Purpose::Issuing, current.version(), &random()?);
        let options = Options::trusting([(prefix()?, &previous), (prefix()?, &current)]);
        let (_, opaque) = generate_opaque_key(&prefix()?, OpaqueUse::Bearer, &random()?);
        let outside = |prefix: &str, secret: &SharedSecret| -> Result<String> {
            let terms = SignedKeyTerms::expiring(u64::try_from(now.timestamp())?, 24 * 60);
            let issuer = IssuingKey::new(KeyPrefix::new(prefix)?, secret)?;
            Ok(issuer.generate(&random()?, terms)?.expose().to_owned())
        };
        let keys = vec![
            Presented::new("good for 30 days", good.clone(), "verified"),
            Presented::new("read only", read_only, "verified"),
            Presented::new("near its expiry", near_expiry, "verified"),
            Presented::new("expired", expired, "expired"),
            Presented::new("issued an hour ahead", ahead, "not_yet_valid"),
            Presented::new("never expires", unlimited, "lifetime_required"),
            Presented::new("previous secret, still trusted", previous_key, "verified"),
            Presented::new("retired secret", retired_key, "unknown_key"),
            Presented::new("other secret, same version", outside("acme_live", &forged)?, "bad_secret"),
            Presented::new("other prefix", outside("acme_test", &current)?, "wrong_prefix"),
            Presented::new("opaque, and no keyring", opaque.expose(), "unknown_key"),
            Presented::new("prefix: one character changed", changed(&good, good.len() - 1)?, "bad_checksum"),
            Presented::new("id: one character changed", changed(&good, 70)?, "bad_checksum"),
            Presented::new("claims: one character changed", changed(&good, 58)?, "bad_checksum"),
            Presented::new("letter changed", changed(&good, 51)?, "malformed"),
            Presented::new("secret: one character changed", changed(&good, 30)?, "bad_checksum"),
            Presented::new("checksum: one character changed", changed(&good, 1)?, "bad_checksum"),
            Presented::new("cut off", good.get(..good.len() - 20).unwrap_or_default(), "malformed"),
            Presented::new("no key at all", "", "missing"),
        ];
        Ok(Self { options, keys })
    }
}

/// A signed key of the tenant, made at the store's time.
fn make(company: &Company, role: RoleId, lifetime: Lifetime) -> Result<String> {
    let new = NewKey::for_tenant(role, "edge", lifetime).signed_by(company.secret);
    text(&company.run(company.administrator().keys().generate(new))?)
}

/// The present version of the issuing secret, which only the operator sees.
fn reveal(company: &Company) -> Result<SharedSecret> {
    let secret = company.run(company.operator().shared_secrets().reveal(company.secret))?;
    Ok(SharedSecret::parse(secret.expose())?)
}

/// The key with one character changed, counted from its end, where the offsets are fixed.
fn changed(key: &str, from_end: usize) -> Result<String> {
    let place = key.len().checked_sub(from_end).context("a short key")?;
    let change = |(index, character)| match (index == place, character) {
        (false, character) => character,
        (true, 'b') => 'c',
        (true, _) => 'b',
    };
    Ok(key.chars().enumerate().map(change).collect())
}
