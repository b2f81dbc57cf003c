//! Policies: whose a key is and what it may do. Many keys share one.
//!
//! # The bytes of a policy
//!
//! ```text
//!  0  u8    flags: 1 read only, 2 group off, 4 owner off, 8 tenant off, 16 has a key id
//!  1  u8    length of the prefix: 1 to 32
//!  2  u8    length of the tenant: 1 to 64
//!  3  u8    length of the owner: 1 to 64
//!  4  u8    length of the external id: 0 (none) to 128
//!  5  u8    length of the role: 0 (none) to 64
//!  6  u16   length of the metadata: 0 (none) to 256
//!  8  u16   number of networks: 0 (any address) to 256
//! 10  u16   bytes of permissions: 0 to 8192
//! 12  u16   bytes of limits: 0 to 1024
//! 14  u16   0
//! 16  u64   public id of an imported key; 0 without flag 16
//! 24        networks, 17 bytes each: address (16, network order, IPv4 as IPv4-mapped IPv6), length of its prefix (1)
//!           prefix, tenant, owner, external id, role, metadata: UTF-8
//!           permissions: each u8 length (1 to 128), then the pattern
//!           limits: each u8 length of the name (1 to 64), the name (UTF-8), u64 max (to 2^53 - 1),
//!           u32 per_seconds
//! ```
//!
//! Numbers are little-endian. Other flags, other lengths and trailing bytes make it no policy.

use crate::{
    bytes::{Reader, Writer, flags},
    key_id::KeyId,
    network::Network,
    permission::{self, PermissionError},
    prefix::KeyPrefix,
};

use super::root::MAX_NUMBER;
use alloc::{borrow::Cow, vec::Vec};
use core::{fmt, net::IpAddr, str};

/// The longest policy, in bytes.
pub const MAX_POLICY_LEN: usize = 16 * 1024;

const READ_ONLY: u8 = 1;
const GROUP_OFF: u8 = 2;
const OWNER_OFF: u8 = 4;
const TENANT_OFF: u8 = 8;
const HAS_KEY_ID: u8 = 16;

const MAX_ID: usize = 64;
const MAX_EXTERNAL_ID: usize = 128;
const MAX_METADATA: usize = 256;
const MAX_NETWORKS: usize = 256;
const MAX_PERMISSIONS: usize = 8192;
const MAX_LIMITS: usize = 1024;

/// How often something may be done. Verdicts carry limits; whoever serves the request enforces them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Limit<'p> {
    /// What is counted, such as `requests`: 1 to 64 bytes.
    pub name: &'p str,
    /// The most in a window: at most 2^53 - 1.
    pub max: u64,
    /// The length of the window in seconds.
    pub per_seconds: u32,
}

impl<'p> Limit<'p> {
    /// At most `max` of `name` in `per_seconds`.
    #[must_use]
    pub const fn new(name: &'p str, max: u64, per_seconds: u32) -> Self {
        Self { name, max, per_seconds }
    }
}

/// What a policy says, before it is encoded.
///
/// ```
/// use claviger_core::{Policy, PolicyTerms};
///
/// let mut terms = PolicyTerms::new("acme_live".parse()?, "tenant-7", "sa-12");
/// terms.role = Some("dispatcher");
/// terms.permissions = &["flights:*"];
/// let policy = Policy::new(&terms)?;
/// assert_eq!(policy.role(), Some("dispatcher"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PolicyTerms<'t> {
    /// The prefix that its keys are presented with.
    pub prefix: KeyPrefix,
    /// The opaque id of the tenant: 1 to 64 bytes.
    pub tenant: &'t str,
    /// The opaque id of the owner: 1 to 64 bytes.
    pub owner: &'t str,
    /// What the embedding application calls the owner or key: 1 to 128 bytes.
    pub external_id: Option<&'t str>,
    /// The name of the role: 1 to 64 bytes.
    pub role: Option<&'t str>,
    /// What its keys may do: patterns such as `flights:view` or `flights:*`.
    pub permissions: &'t [&'t str],
    /// Where its keys may be used from; none means from everywhere.
    pub networks: &'t [Network],
    /// What the application wants to know of the key at each request: 1 to 256 bytes, JSON by convention. Public.
    pub metadata: Option<&'t str>,
    /// How often things may be done.
    pub limits: &'t [Limit<'t>],
    /// Whether its keys have only the read-only part of the permissions: what ends in `:view`.
    pub read_only: bool,
    /// Whether the key group is switched off.
    pub group_off: bool,
    /// Whether the owner is switched off.
    pub owner_off: bool,
    /// Whether the tenant is switched off.
    pub tenant_off: bool,
    /// The public id of an imported key, whose text names none. Such a policy belongs to one key.
    pub key_id: Option<KeyId>,
}

impl<'t> PolicyTerms<'t> {
    /// A policy for keys of `prefix` that belong to `owner` of `tenant`, without any permission.
    #[must_use]
    pub const fn new(prefix: KeyPrefix, tenant: &'t str, owner: &'t str) -> Self {
        Self {
            prefix,
            tenant,
            owner,
            external_id: None,
            role: None,
            permissions: &[],
            networks: &[],
            metadata: None,
            limits: &[],
            read_only: false,
            group_off: false,
            owner_off: false,
            tenant_off: false,
            key_id: None,
        }
    }
}

/// A policy in its encoded form: whose a key is and what it may do.
///
/// Verdicts of `claviger-core` borrow it from the keyring; [`into_owned`](Self::into_owned) makes a copy that stays.
#[derive(Clone, PartialEq, Eq)]
pub struct Policy<'p> {
    bytes: Cow<'p, [u8]>,
}

/// The parts of an encoded policy, found by its lengths.
#[derive(Clone, Copy)]
struct Fields<'p> {
    flags: u8,
    key_id: u64,
    networks: &'p [[u8; 17]],
    prefix: &'p [u8],
    tenant: &'p [u8],
    owner: &'p [u8],
    external_id: &'p [u8],
    role: &'p [u8],
    metadata: &'p [u8],
    permissions: &'p [u8],
    limits: &'p [u8],
}

#[inline]
fn fields(bytes: &[u8]) -> Option<Fields<'_>> {
    let (head, rest) = bytes.split_first_chunk::<24>()?;
    let &[
        flags,
        prefix,
        tenant,
        owner,
        external_id,
        role,
        m0,
        m1,
        n0,
        n1,
        p0,
        p1,
        l0,
        l1,
        0,
        0,
        i0,
        i1,
        i2,
        i3,
        i4,
        i5,
        i6,
        i7,
    ] = head
    else {
        return None;
    };
    let u16 = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]));
    let mut reader = Reader(rest);
    let (networks, _) = reader.slice(u16(n0, n1).saturating_mul(17))?.as_chunks::<17>();
    Some(Fields {
        flags,
        key_id: u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]),
        networks,
        prefix: reader.slice(prefix.into())?,
        tenant: reader.slice(tenant.into())?,
        owner: reader.slice(owner.into())?,
        external_id: reader.slice(external_id.into())?,
        role: reader.slice(role.into())?,
        metadata: reader.slice(u16(m0, m1))?,
        permissions: reader.slice(u16(p0, p1))?,
        limits: reader.slice(u16(l0, l1))?,
    })
    .filter(|_| reader.0.is_empty())
}

fn permission_list(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (&length, rest) = bytes.split_first()?;
        let (pattern, rest) = rest.split_at_checked(length.into())?;
        bytes = rest;
        Some(pattern)
    })
}

fn limit_list(bytes: &[u8]) -> impl Iterator<Item = Limit<'_>> {
    let mut reader = Reader(bytes);
    core::iter::from_fn(move || {
        let length = reader.u8()?;
        let name = text(reader.slice(length.into())?);
        Some(Limit { name, max: reader.u64()?, per_seconds: reader.u32()? })
    })
}

/// Whether the bytes are a policy by all rules: looked at once, when its page is read.
pub(crate) fn is_well_formed(bytes: &[u8]) -> bool {
    let check = || {
        let fields = fields(bytes)?;
        let within = |bytes: &[u8], least: usize, most: usize| {
            (least..=most).contains(&bytes.len()) && str::from_utf8(bytes).is_ok()
        };
        let known = READ_ONLY | GROUP_OFF | OWNER_OFF | TENANT_OFF | HAS_KEY_ID;
        let mut permissions = Reader(fields.permissions);
        let mut limits = Reader(fields.limits);
        let good = bytes.len() <= MAX_POLICY_LEN
            && fields.flags & !known == 0
            && (fields.flags & HAS_KEY_ID != 0 || fields.key_id == 0)
            && KeyPrefix::new(str::from_utf8(fields.prefix).ok()?).is_ok()
            && within(fields.tenant, 1, MAX_ID)
            && within(fields.owner, 1, MAX_ID)
            && within(fields.external_id, 0, MAX_EXTERNAL_ID)
            && within(fields.role, 0, MAX_ID)
            && within(fields.metadata, 0, MAX_METADATA)
            && fields.networks.len() <= MAX_NETWORKS
            && fields.networks.iter().all(|network| Network::from_bytes(network).is_some())
            && fields.permissions.len() <= MAX_PERMISSIONS
            && fields.limits.len() <= MAX_LIMITS;
        while !permissions.0.is_empty() {
            let length = permissions.u8()?;
            permission::check(permissions.slice(length.into())?, true).ok()?;
        }
        while !limits.0.is_empty() {
            let length = limits.u8()?;
            within(limits.slice(length.into())?, 1, MAX_ID).then_some(())?;
            (limits.u64()? <= MAX_NUMBER).then_some(())?;
            limits.slice(4)?;
        }
        good.then_some(())
    };
    check().is_some()
}

impl<'p> Policy<'p> {
    /// The encoded form of a policy.
    ///
    /// # Errors
    /// A [`PolicyError`] that names the field that breaks a rule.
    pub fn new(terms: &PolicyTerms<'_>) -> Result<Policy<'static>, PolicyError> {
        let within = |field: &'static str, text: &str, most: usize| {
            if (1..=most).contains(&text.len()) {
                Ok(text.len())
            } else {
                Err(PolicyError::Length { field, most })
            }
        };
        let optional = |field, text: Option<&str>, most| text.map_or(Ok(0), |text| within(field, text, most));
        let too_many = |field, len: usize, most| {
            if len <= most { Ok(len as u16) } else { Err(PolicyError::TooMany { field }) }
        };
        let mut permissions = Writer::default();
        for pattern in terms.permissions {
            permission::check(pattern.as_bytes(), true).map_err(PolicyError::Permission)?;
            permissions.u8(pattern.len() as u8).bytes(pattern.as_bytes());
        }
        let mut limits = Writer::default();
        for limit in terms.limits {
            within("limit name", limit.name, MAX_ID)?;
            if limit.max > MAX_NUMBER {
                return Err(PolicyError::TooLarge { field: "max of a limit" });
            }
            limits
                .u8(limit.name.len() as u8)
                .bytes(limit.name.as_bytes())
                .u64(limit.max)
                .u32(limit.per_seconds);
        }
        let set = [
            (terms.read_only, READ_ONLY),
            (terms.group_off, GROUP_OFF),
            (terms.owner_off, OWNER_OFF),
            (terms.tenant_off, TENANT_OFF),
            (terms.key_id.is_some(), HAS_KEY_ID),
        ];
        let prefix = terms.prefix.as_bytes();
        let mut writer = Writer::default();
        writer
            .u8(flags(set))
            .u8(prefix.len() as u8)
            .u8(within("tenant", terms.tenant, MAX_ID)? as u8)
            .u8(within("owner", terms.owner, MAX_ID)? as u8)
            .u8(optional("external_id", terms.external_id, MAX_EXTERNAL_ID)? as u8)
            .u8(optional("role", terms.role, MAX_ID)? as u8)
            .u16(optional("metadata", terms.metadata, MAX_METADATA)? as u16)
            .u16(too_many("networks", terms.networks.len(), MAX_NETWORKS)?)
            .u16(too_many("permissions", permissions.0.len(), MAX_PERMISSIONS)?)
            .u16(too_many("limits", limits.0.len(), MAX_LIMITS)?)
            .u16(0)
            .u64(terms.key_id.map_or(0, KeyId::as_u64));
        for network in terms.networks {
            writer.bytes(&network.to_bytes());
        }
        let texts = [Some(terms.tenant), Some(terms.owner), terms.external_id, terms.role, terms.metadata];
        writer.bytes(prefix);
        for text in texts.into_iter().flatten() {
            writer.bytes(text.as_bytes());
        }
        writer.bytes(&permissions.0).bytes(&limits.0);
        Ok(Policy { bytes: Cow::Owned(writer.0) })
    }

    /// Reads an encoded policy; `None` if the bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: Cow<'p, [u8]>) -> Option<Self> {
        is_well_formed(&bytes).then_some(Self { bytes })
    }

    /// A policy of a page that was looked at.
    #[inline]
    pub(crate) fn checked(bytes: &'p [u8]) -> Self {
        Self { bytes: Cow::Borrowed(bytes) }
    }

    /// The encoded form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Policy<'static> {
        Policy { bytes: Cow::Owned(self.bytes.into_owned()) }
    }

    /// Every policy is well-formed from the moment that it is one.
    fn fields(&self) -> Fields<'_> {
        fields(&self.bytes).unwrap_or(NOTHING)
    }

    /// The prefix that its keys are presented with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        text(self.fields().prefix)
    }

    /// The opaque id of the tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        text(self.fields().tenant)
    }

    /// The opaque id of the owner.
    #[must_use]
    pub fn owner(&self) -> &str {
        text(self.fields().owner)
    }

    /// What the embedding application calls the owner or key.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        optional(self.fields().external_id)
    }

    /// The name of the role.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        optional(self.fields().role)
    }

    /// What the application wants to know of the key at each request.
    #[must_use]
    pub fn metadata(&self) -> Option<&str> {
        optional(self.fields().metadata)
    }

    /// The patterns that grant permissions.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        permission_list(self.fields().permissions).map(text)
    }

    /// How often things may be done.
    pub fn limits(&self) -> impl Iterator<Item = Limit<'_>> {
        limit_list(self.fields().limits)
    }

    /// The networks from which its keys may be used; none means from everywhere.
    pub fn networks(&self) -> impl Iterator<Item = Network> {
        self.fields().networks.iter().filter_map(Network::from_bytes)
    }

    /// Whether its keys have only the read-only part of the permissions.
    #[must_use]
    #[inline]
    pub fn read_only(&self) -> bool {
        self.bytes.first().is_some_and(|flags| flags & READ_ONLY != 0)
    }

    /// Whether the key group of its keys is switched off.
    #[must_use]
    pub fn is_group_off(&self) -> bool {
        self.bytes.first().is_none_or(|flags| flags & GROUP_OFF != 0)
    }

    /// Whether the owner of its keys is switched off.
    #[must_use]
    pub fn is_owner_off(&self) -> bool {
        self.bytes.first().is_none_or(|flags| flags & OWNER_OFF != 0)
    }

    /// Whether the tenant of its keys is switched off.
    #[must_use]
    pub fn is_tenant_off(&self) -> bool {
        self.bytes.first().is_none_or(|flags| flags & TENANT_OFF != 0)
    }

    /// Whether group, owner or tenant is switched off.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.bytes.first().is_none_or(|flags| flags & (GROUP_OFF | OWNER_OFF | TENANT_OFF) != 0)
    }

    /// The public id of an imported key.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        let fields = self.fields();
        (fields.flags & HAS_KEY_ID != 0).then(|| KeyId::from_u64(fields.key_id))
    }

    /// Whether the two are of the same owner (and imported key), whatever else they say.
    pub(crate) fn is_of_same_owner(&self, other: &Policy<'_>) -> bool {
        (self.tenant(), self.owner(), self.key_id()) == (other.tenant(), other.owner(), other.key_id())
    }

    /// Whether keys are presented with `prefix`.
    #[inline]
    pub(crate) fn has_prefix(&self, prefix: &[u8]) -> bool {
        self.fields().prefix == prefix
    }

    /// Whether a client at this address may use its keys. Without an address only where every address may.
    #[inline]
    pub(crate) fn allows_address(&self, address: Option<IpAddr>) -> bool {
        let networks = self.fields().networks;
        networks.is_empty()
            || address.is_some_and(|address| {
                let mut networks = networks.iter().filter_map(Network::from_bytes);
                networks.any(|network| network.contains(address))
            })
    }

    /// Whether a pattern covers this permission, which is well-formed.
    pub(crate) fn grants(&self, permission: &[u8]) -> bool {
        permission_list(self.fields().permissions).any(|pattern| permission::covers(pattern, permission))
    }
}

const NOTHING: Fields<'static> = Fields {
    flags: TENANT_OFF,
    key_id: 0,
    networks: &[],
    prefix: &[],
    tenant: &[],
    owner: &[],
    external_id: &[],
    role: &[],
    metadata: &[],
    permissions: &[],
    limits: &[],
};

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

fn optional(bytes: &[u8]) -> Option<&str> {
    (!bytes.is_empty()).then(|| text(bytes))
}

impl fmt::Debug for Policy<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Policy")
            .field("prefix", &self.prefix())
            .field("tenant", &self.tenant())
            .field("owner", &self.owner())
            .field("external_id", &self.external_id())
            .field("role", &self.role())
            .field("permissions", &self.permissions().collect::<Vec<_>>())
            .field("networks", &self.networks().collect::<Vec<_>>())
            .field("metadata", &self.metadata())
            .field("limits", &self.limits().collect::<Vec<_>>())
            .field("read_only", &self.read_only())
            .field("off", &self.is_off())
            .finish()
    }
}

/// Why a policy cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PolicyError {
    /// A text is empty or too long.
    Length {
        /// The field.
        field: &'static str,
        /// The most bytes that it may have.
        most: usize,
    },
    /// A list is too long.
    TooMany {
        /// The field.
        field: &'static str,
    },
    /// A number is above 2^53 - 1.
    TooLarge {
        /// The field.
        field: &'static str,
    },
    /// A permission is no pattern.
    Permission(PermissionError),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { field, most } => write!(formatter, "{field} must have 1 to {most} bytes"),
            Self::TooMany { field } => write!(
                formatter,
                "too many {field}: a policy has at most 256 networks, 8 KiB of permissions and 1 KiB of limits"
            ),
            Self::TooLarge { field } => {
                write!(formatter, "{field} must be at most 2^53 - 1, which JavaScript can say")
            }
            Self::Permission(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{string::String, vec};

    fn terms() -> PolicyTerms<'static> {
        PolicyTerms::new(KeyPrefix::new("acme_live").unwrap(), "t", "o")
    }

    #[test]
    fn lengths_are_limits() {
        let long = "x".repeat(300);
        let of = |length: usize| long.get(..length).unwrap();
        let too_long = |field, most| Err(PolicyError::Length { field, most });
        let check = |terms: PolicyTerms<'_>| Policy::new(&terms).map(|_| ());
        assert_eq!(check(PolicyTerms { tenant: "", ..terms() }), too_long("tenant", 64));
        assert_eq!(check(PolicyTerms { tenant: of(64), ..terms() }), Ok(()));
        assert_eq!(check(PolicyTerms { owner: of(65), ..terms() }), too_long("owner", 64));
        assert_eq!(
            check(PolicyTerms { external_id: Some(of(129)), ..terms() }),
            too_long("external_id", 128)
        );
        assert_eq!(check(PolicyTerms { role: Some(""), ..terms() }), too_long("role", 64));
        assert_eq!(check(PolicyTerms { metadata: Some(of(256)), ..terms() }), Ok(()));
        assert_eq!(check(PolicyTerms { metadata: Some(of(257)), ..terms() }), too_long("metadata", 256));
        let limits = [Limit::new("", 1, 1)];
        assert_eq!(check(PolicyTerms { limits: &limits, ..terms() }), too_long("limit name", 64));
        let limits = [Limit::new("bytes", 1 << 53, 1)];
        assert_eq!(
            check(PolicyTerms { limits: &limits, ..terms() }),
            Err(PolicyError::TooLarge { field: "max of a limit" })
        );
        let networks = vec!["10.0.0.0/8".parse().unwrap(); 257];
        assert_eq!(
            check(PolicyTerms { networks: &networks, ..terms() }),
            Err(PolicyError::TooMany { field: "networks" })
        );
        assert_eq!(
            check(PolicyTerms { permissions: &["a b"], ..terms() }),
            Err(PolicyError::Permission(PermissionError::Grammar))
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            tenant in ".{1,16}", owner in ".{1,16}", external_id in proptest::option::of(".{1,32}"),
            role in proptest::option::of("[a-z]{1,8}"), metadata in proptest::option::of(".{1,60}"),
            permissions in proptest::collection::vec("[a-z]{1,4}(:[a-z]{1,4}){0,2}(:\\*)?", 0..5),
            networks in proptest::collection::vec((any::<u128>(), 0_u8..=128), 0..4),
            limits in proptest::collection::vec(("[a-z]{1,8}", 0..=MAX_NUMBER, any::<u32>()), 0..3),
            flags: [bool; 4], key_id in proptest::option::of(any::<u64>()),
        ) {
            let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
            let networks: Vec<Network> = networks.iter().map(|&(address, bits)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Network::new(core::net::Ipv6Addr::from_bits(address & mask).into(), bits).unwrap()
            }).collect();
            let limits: Vec<Limit<'_>> = limits.iter().map(|(name, max, per)| Limit::new(name, *max, *per)).collect();
            let [read_only, group_off, owner_off, tenant_off] = flags;
            let policy = Policy::new(&PolicyTerms {
                prefix: KeyPrefix::new("acme_live").unwrap(), tenant: &tenant, owner: &owner,
                external_id: external_id.as_deref(), role: role.as_deref(), permissions: &permissions,
                networks: &networks, metadata: metadata.as_deref(), limits: &limits, read_only, group_off,
                owner_off, tenant_off, key_id: key_id.map(KeyId::from_u64),
            }).unwrap();
            let policy = Policy::from_bytes(Cow::Borrowed(policy.as_bytes())).unwrap();
            prop_assert_eq!(policy.prefix(), "acme_live");
            prop_assert_eq!((policy.tenant(), policy.owner()), (tenant.as_str(), owner.as_str()));
            prop_assert_eq!(policy.external_id(), external_id.as_deref());
            prop_assert_eq!(policy.role(), role.as_deref());
            prop_assert_eq!(policy.metadata(), metadata.as_deref());
            prop_assert_eq!(policy.permissions().collect::<Vec<_>>(), permissions);
            prop_assert_eq!(policy.networks().collect::<Vec<_>>(), networks);
            prop_assert_eq!(policy.limits().collect::<Vec<_>>(), limits);
            prop_assert_eq!(policy.read_only(), read_only);
            prop_assert_eq!(policy.is_off(), group_off || owner_off || tenant_off);
            prop_assert_eq!(policy.key_id(), key_id.map(KeyId::from_u64));
        }

        #[test]
        fn other_bytes_are_no_policy_or_one_that_can_be_read(
            place in 0_usize..60, byte: u8, cut in 0_usize..60,
        ) {
            let terms = PolicyTerms { permissions: &["a:b"], limits: &[Limit::new("n", 1, 2)], metadata: Some("{}"), ..terms() };
            let good = Policy::new(&terms).unwrap();
            let mut bytes = good.as_bytes().to_vec();
            prop_assert!(cut >= bytes.len() || Policy::from_bytes(Cow::Borrowed(&bytes[..cut])).is_none());
            if let Some(slot) = bytes.get_mut(place) {
                *slot = byte;
            }
            if let Some(policy) = Policy::from_bytes(Cow::Owned(bytes)) {
                prop_assert!(!policy.tenant().is_empty() && !policy.owner().is_empty() && !policy.prefix().is_empty());
            }
        }
    }
}
