//! A reproducible stream of presented texts: a tenth good keys, the rest mutations of them.

use crate::{
    setup::{Options, Setup},
    vectors::with_checksum,
};
use anyhow::Result;
use claviger_core::{
    IssuingKey, KeyPrefix, OpaqueUse, Purpose, SharedSecret, SignedKeyTerms, generate_opaque_key,
};

/// The time of every generated input, in Unix seconds.
pub const NOW: u64 = 1_790_000_000;

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and the same on every machine.
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound.max(1) as u64) as usize
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.bits() as u8)
    }
}

/// Issuers that a verifier trusts, issuers that it does not, and the texts that come of them.
pub struct Inputs {
    random: Random,
    trusted: Vec<IssuingKey>,
    strangers: Vec<IssuingKey>,
    /// What the verifier is told.
    pub setup: Setup,
}

impl Inputs {
    /// The stream of a seed.
    ///
    /// # Errors
    /// None in practice: every constant is a good one.
    pub fn new(seed: u64) -> Result<Self> {
        let mut random = Random::new(seed);
        let prefixes = ["acme_live", "acme_test", "a", "a_prefix_with_just_32_characters"];
        let (mut trusted, mut strangers, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
        for prefix in prefixes {
            for version in [0, 1, 255] {
                let prefix = KeyPrefix::new(prefix)?;
                let secret = SharedSecret::generate(Purpose::Issuing, version, &random.bytes());
                trusted.push(IssuingKey::new(prefix, &secret)?);
                secrets.push((prefix, secret));
                // The same version with another secret, an unknown version, an unknown prefix.
                for (prefix, version) in
                    [(prefix, version), (prefix, 7), (KeyPrefix::new("other_live")?, version)]
                {
                    let secret = SharedSecret::generate(Purpose::Issuing, version, &random.bytes());
                    strangers.push(IssuingKey::new(prefix, &secret)?);
                }
            }
        }
        let options = Options::trusting(secrets.iter().map(|(prefix, secret)| (*prefix, secret)));
        Ok(Self { random, trusted, strangers, setup: options.into() })
    }

    /// The next `count` texts.
    ///
    /// # Errors
    /// None in practice.
    pub fn take(&mut self, count: usize) -> Result<Vec<Vec<u8>>> {
        (0..count).map(|index| if index % 10 == 0 { self.good() } else { self.bad() }).collect()
    }

    fn pick<'l, T>(random: &mut Random, list: &'l [T]) -> Result<&'l T> {
        list.get(random.below(list.len())).ok_or_else(|| anyhow::anyhow!("an empty list"))
    }

    fn good(&mut self) -> Result<Vec<u8>> {
        let lifetime = 1 + self.random.below(1 << 20) as u32;
        let terms = SignedKeyTerms::expiring(NOW, lifetime);
        self.signed(true, terms)
    }

    fn signed(&mut self, trusted: bool, terms: SignedKeyTerms) -> Result<Vec<u8>> {
        let terms = if self.random.below(4) == 0 { terms.read_only() } else { terms };
        let issuers = if trusted { &self.trusted } else { &self.strangers };
        let issuer = Self::pick(&mut self.random, issuers)?;
        Ok(issuer.generate(&self.random.bytes(), terms)?.expose().as_bytes().to_vec())
    }

    fn bad(&mut self) -> Result<Vec<u8>> {
        let text = self.good()?;
        match self.random.below(16) {
            0 => self.signed(false, SignedKeyTerms::expiring(NOW, 60)),
            1 => {
                // Issued at any time around now, so: not yet valid, expired, or good.
                let issued_at = NOW - 7200 + self.random.below(14_400) as u64;
                let lifetime = 1 + self.random.below(120) as u32;
                self.signed(true, SignedKeyTerms::expiring(issued_at, lifetime))
            }
            2 => self.signed(true, SignedKeyTerms::without_lifetime(NOW)),
            3 => {
                let prefix = *Self::pick(&mut self.random, &self.trusted)?.prefix();
                let uses = [OpaqueUse::Bearer, OpaqueUse::BearerAndSigning];
                let usage = *Self::pick(&mut self.random, &uses)?;
                let (_, key) = generate_opaque_key(&prefix, usage, &self.random.bytes());
                Ok(key.expose().as_bytes().to_vec())
            }
            _ => {
                let other = self.good()?;
                mutate(&mut self.random, text, &other)
            }
        }
    }
}

/// A text that is not quite the one that is given, or not at all; perhaps with a part of another.
///
/// # Errors
/// None in practice.
pub fn mutate(random: &mut Random, mut text: Vec<u8>, other: &[u8]) -> Result<Vec<u8>> {
    let place = random.below(text.len());
    let byte = random.bits() as u8;
    match random.below(12) {
        0 => text.truncate(place),
        1 => text.insert(place, byte),
        2 => {
            text.remove(place);
        }
        3 => text
            .splice(place..place, "é_\u{1f511}\u{feff}".bytes().take(1 + usize::from(byte % 10)))
            .for_each(drop),
        4 => text.extend(std::iter::repeat_n(b'0', random.below(1 << 12))),
        5 => text = (0..random.below(200)).map(|_| random.bits() as u8).collect(),
        6 => text.rotate_left(place),
        7 => text.make_ascii_uppercase(),
        8 => {
            let tail = other.get(place.min(other.len())..).unwrap_or_default();
            text.truncate(place);
            text.extend(tail);
        }
        _ => {
            // One character changed, often to another of the alphabet.
            let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_khstx";
            let other = alphabet.get(random.below(alphabet.len())).copied().unwrap_or(b'0');
            if let Some(slot) = text.get_mut(place) {
                *slot = if byte < 32 { byte } else { other };
            }
            // With a right checksum behind it, the change is seen by what comes after.
            let body = text.len().saturating_sub(6);
            if let Some(Ok(body)) =
                text.get(..body).map(std::str::from_utf8).filter(|_| byte.is_multiple_of(2))
            {
                text = with_checksum(body).into_bytes();
            }
        }
    }
    Ok(text)
}
