//! What verification costs must not tell how much of a secret was guessed, nor whether a key or a version is known.
//!
//! Wasmtime's fuel counts executed instructions exactly, so one value means one path.

use anyhow::{Context, Result};
use claviger_core::{
    IssuingKey, KeyId, KeyPrefix, KeyringKey, KeyringTerms, OpaqueUse, PolicyTerms, Purpose, SharedSecret,
    SignedKeyTerms, generate_opaque_key,
};
use claviger_parity::{
    inputs::{NOW, Random},
    metered::Metered,
    rings::Contents,
    vectors::with_checksum,
};
use std::collections::BTreeSet;

const BAD_SECRET: u32 = 6;
const UNKNOWN_KEY: u32 = 5;

#[test]
fn fuel_does_not_depend_on_the_guessed_secret_or_on_whether_its_version_is_known() -> Result<()> {
    let mut random = Random::new(7);
    let prefix = KeyPrefix::new("acme_live")?;
    let secret = SharedSecret::generate(Purpose::Issuing, 1, &random.bytes());
    let mut metered = Metered::with_secret("acme_live", &secret)?;
    let terms = SignedKeyTerms::expiring(NOW, 60);
    let good = IssuingKey::new(prefix, &secret)?.generate(&[1; 8], terms)?;
    assert_eq!(metered.verify(good.expose(), NOW)?.0, 0);

    // Guesses for one and the same id: from nothing right to everything but the last character.
    let (public, tail) = good.expose().split_at(good.expose().len() - 50);
    let mut guesses = Vec::new();
    for right in 0..300 {
        let kept = tail.get(..(right % 44)).context("44 characters")?;
        let other = IssuingKey::new(prefix, &SharedSecret::generate(Purpose::Issuing, 1, &random.bytes()))?;
        let other = other.generate(&[1; 8], terms)?;
        let rest = other.expose().get(public.len() + kept.len()..public.len() + 44).context("a secret")?;
        guesses.push(format!("{public}{kept}{rest}"));
    }
    let mut fuel = BTreeSet::new();
    for guess in &guesses {
        let (code, spent) = metered.verify(&with_checksum(guess), NOW)?;
        // A kept half beside another half can make a limb above u64, which is no key at all.
        if code != 2 {
            assert_eq!(code, BAD_SECRET, "{guess}");
            fuel.insert(spent);
        }
    }
    assert_eq!(fuel.len(), 1, "guesses cost different amounts: {fuel:?}");

    let bad = fuel.first().copied().context("no guess")?;
    let other = IssuingKey::new(prefix, &SharedSecret::generate(Purpose::Issuing, 9, &random.bytes()))?;
    let (code, unknown) = metered.verify(other.generate(&[1; 8], terms)?.expose(), NOW)?;
    assert_eq!(code, UNKNOWN_KEY);
    let difference = unknown.abs_diff(bad) as f64 / bad as f64;
    assert!(difference < 0.02, "unknown version {unknown}, known version {bad}");
    Ok(())
}

/// Opaque keys in a keyring of `keys`: the bundle, what opens it, and some of the keys.
fn ring(keys: usize, random: &mut Random) -> Result<(KeyringKey, Vec<u8>, Vec<String>)> {
    let prefix = KeyPrefix::new("acme_live")?;
    let key = KeyringKey::generate(&random.bytes());
    let mut contents = Contents::new(key.clone(), KeyringTerms::new(KeyId::from_u64(1)));
    contents.expected_keys = keys;
    for number in 0..10 {
        let owner = format!("sa-{number}");
        let mut terms = PolicyTerms::new(prefix, "tenant-7", &owner);
        terms.permissions = &["flights:*"];
        contents.policy(&terms)?;
    }
    let mut texts = Vec::new();
    for number in 0..keys {
        let text = contents.opaque(prefix, OpaqueUse::Bearer, number as u32 % 10, &random.bytes())?;
        if number < 1000 {
            texts.push(text);
        }
    }
    Ok((key, contents.build(1, NOW)?.bundle, texts))
}

fn mean(costs: &[u64]) -> f64 {
    costs.iter().sum::<u64>() as f64 / costs.len() as f64
}

#[test]
fn fuel_with_a_keyring_depends_neither_on_the_guessed_secret_nor_on_how_many_keys_there_are() -> Result<()> {
    let mut random = Random::new(8);
    let prefix = KeyPrefix::new("acme_live")?;
    let mut known = Vec::new();
    for keys in [10_000, 1_000_000] {
        let (key, bundle, texts) = ring(keys, &mut random)?;
        let mut metered = Metered::with_keyring(&key, bundle, NOW)?;
        let (mut verified, mut wrong, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for text in &texts {
            let (code, spent) = metered.verify(text, NOW)?;
            assert_eq!(code, 0);
            verified.push(spent);
            // The same id with another secret: only the last characters, or all of them.
            let kept = random.below(40);
            let (public, tail) = text.split_at(text.len() - 50);
            let (_, other) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &random.bytes());
            let other =
                other.expose().get(public.len() + kept..public.len() + 44).context("a secret")?.to_owned();
            let guess = with_checksum(&format!("{public}{}{other}", tail.get(..kept).unwrap_or_default()));
            let (code, spent) = metered.verify(&guess, NOW)?;
            if code != 2 {
                assert_eq!(code, BAD_SECRET, "{guess}");
                wrong.push(spent);
            }
            let (_, stranger) = generate_opaque_key(&prefix, OpaqueUse::Bearer, &random.bytes());
            let (code, spent) = metered.verify(stranger.expose(), NOW)?;
            assert_eq!(code, UNKNOWN_KEY);
            unknown.push(spent);
        }
        println!(
            "{keys} keys: verified {:.0}, wrong {:.0}, unknown {:.0}",
            mean(&verified),
            mean(&wrong),
            mean(&unknown)
        );
        // What differs is how many records of a slot are looked at, and whether there is an id to be told.
        let spread = |costs: &[u64]| {
            costs
                .iter()
                .max()
                .zip(costs.iter().min())
                .map_or(1.0, |(most, least)| *most as f64 / *least as f64 - 1.0)
        };
        assert!(spread(&wrong) < 0.05, "{}", spread(&wrong));
        assert!(spread(&unknown) < 0.05, "{}", spread(&unknown));
        let difference = mean(&unknown) / mean(&wrong) - 1.0;
        assert!(difference.abs() < 0.02, "an unknown id costs {difference:+.3} of a known one");
        known.push(mean(&verified));
    }
    let [small, large] = known[..] else { anyhow::bail!("two sizes") };
    let more = large / small - 1.0;
    println!("a million keys cost {more:+.4} of ten thousand");
    assert!(more < 0.05, "a million keys cost {more:+.3} more instructions than ten thousand");
    Ok(())
}
