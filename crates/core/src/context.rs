//! What a verifier is told about the request beside its credential.

use crate::{
    bytes::{Reader, Writer, flags},
    keyring::FreshnessRequirement,
};
use alloc::vec::Vec;
use core::net::IpAddr;

/// How far an issued-at may lie ahead of the verifier's clock, in seconds, before a key is `not_yet_valid` or a keyring
/// is refused.
///
/// Clocks of issuer and verifier differ; five minutes is what the field tolerates by habit (Kerberos, RFC 4120
/// section 10, recommends it), and only who holds the issuing secret or keyring key could make use of it.
pub const CLOCK_SKEW_SECONDS: u64 = 300;

/// The facts about one request, and what it needs.
///
/// ```
/// use claviger_core::RequestContext;
///
/// let context = RequestContext::at(1_790_000_000)
///     .tenant("tenant-7")
///     .address("192.0.2.7".parse()?)
///     .permissions(&["flights:view"]);
/// # let _ = context;
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RequestContext<'r> {
    /// When the request arrived, in Unix seconds.
    pub now: u64,
    /// The tenant that the request is for: a key of another one is `wrong_tenant`.
    pub tenant: Option<&'r str>,
    /// The client's address, from a source that the client cannot forge.
    pub address: Option<IpAddr>,
    /// What the request needs: every one of these permissions, such as `flights:view`.
    pub permissions: &'r [&'r str],
    /// How fresh the knowledge must be, beside what the verifier demands of every request.
    pub freshness: FreshnessRequirement,
}

impl<'r> RequestContext<'r> {
    /// A request that arrived at `now` (Unix seconds).
    #[must_use]
    pub const fn at(now: u64) -> Self {
        let freshness = FreshnessRequirement { require_fresh: false, min_epoch: 0, max_age: None };
        Self { now, tenant: None, address: None, permissions: &[], freshness }
    }

    /// The request is for this tenant.
    #[must_use]
    pub const fn tenant(self, tenant: &'r str) -> Self {
        Self { tenant: Some(tenant), ..self }
    }

    /// The request comes from this address.
    #[must_use]
    pub const fn address(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The request needs every one of these permissions.
    #[must_use]
    pub const fn permissions(self, permissions: &'r [&'r str]) -> Self {
        Self { permissions, ..self }
    }

    /// The request needs knowledge as fresh as this.
    #[must_use]
    pub const fn requiring(self, freshness: FreshnessRequirement) -> Self {
        Self { freshness, ..self }
    }
}

const HAS_TENANT: u8 = 1;
const HAS_ADDRESS: u8 = 2;
const REQUIRE_FRESH: u8 = 4;
const HAS_MAX_AGE: u8 = 8;

/// A context in the form in which it crosses the border of a WebAssembly instance.
///
/// ```text
///  0  u8    flags: 1 a tenant, 2 an address, 4 must be fresh, 8 a max age
///  1  u8    length of the address
///  2  u16   length of the tenant
///  4  u32   number of permissions
///  8  u64   now, Unix seconds
/// 16  u64   min epoch
/// 24  u64   max age, seconds
/// 32        tenant (UTF-8), address (as text: an address that cannot be read is one that is not known),
///           permissions: each u16 length and UTF-8
/// ```
///
/// Numbers are little-endian.
pub struct ContextRecord<'b> {
    fields: RequestContext<'b>,
    permissions: Vec<&'b str>,
}

impl<'b> ContextRecord<'b> {
    /// Reads a context; `None` if the bytes are none.
    #[must_use]
    pub fn read(bytes: &'b [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (flags, address, tenant, count) = (reader.u8()?, reader.u8()?, reader.u16()?, reader.u32()?);
        let (now, min_epoch, max_age) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let set = |flag| flags & flag != 0;
        let tenant = core::str::from_utf8(reader.slice(tenant.into())?).ok()?;
        let address = core::str::from_utf8(reader.slice(address.into())?).ok()?;
        let mut permissions = Vec::new();
        for _ in 0..count {
            let length = reader.u16()?;
            permissions.push(core::str::from_utf8(reader.slice(length.into())?).ok()?);
        }
        let fields = RequestContext {
            now,
            tenant: set(HAS_TENANT).then_some(tenant),
            address: address.parse().ok().filter(|_| set(HAS_ADDRESS)),
            permissions: &[],
            freshness: FreshnessRequirement {
                require_fresh: set(REQUIRE_FRESH),
                min_epoch,
                max_age: set(HAS_MAX_AGE).then_some(max_age),
            },
        };
        (flags & !15 == 0 && reader.0.is_empty()).then_some(Self { fields, permissions })
    }

    /// The context.
    #[must_use]
    pub fn context(&self) -> RequestContext<'_> {
        RequestContext { permissions: &self.permissions, ..self.fields }
    }

    /// Writes a context; `address` is its address as text.
    #[must_use]
    pub fn write(context: &RequestContext<'_>, address: &str) -> Vec<u8> {
        let (tenant, freshness) = (context.tenant.unwrap_or_default(), context.freshness);
        let set = [
            (context.tenant.is_some(), HAS_TENANT),
            (context.address.is_some(), HAS_ADDRESS),
            (freshness.require_fresh, REQUIRE_FRESH),
            (freshness.max_age.is_some(), HAS_MAX_AGE),
        ];
        let mut writer = Writer::default();
        writer
            .u8(flags(set))
            .u8(address.len() as u8)
            .u16(tenant.len() as u16)
            .u32(context.permissions.len() as u32)
            .u64(context.now)
            .u64(freshness.min_epoch)
            .u64(freshness.max_age.unwrap_or(0))
            .bytes(tenant.as_bytes())
            .bytes(address.as_bytes());
        for permission in context.permissions {
            writer.u16(permission.len() as u16).bytes(permission.as_bytes());
        }
        writer.0
    }
}
