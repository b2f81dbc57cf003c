//! Networks from which a key may be used: IPv4 and IPv6 with a prefix length (CIDR, RFC 4632 and RFC 4291).
//!
//! An IPv4-mapped IPv6 address (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2) *is* the IPv4 address: sockets that take
//! both kinds report IPv4 clients so. An IPv6 network therefore never holds an IPv4 client, not even `::/0`.

use core::{fmt, net::IpAddr, str::FromStr};

/// A range of addresses.
///
/// ```
/// use claviger_core::Network;
///
/// let network: Network = "10.1.0.0/16".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("10.2.0.1".parse().unwrap()));
/// # Ok::<(), claviger_core::NetworkError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// IPv4 as IPv4-mapped IPv6; the bits behind the prefix are 0.
    first: u128,
    /// Length of the prefix of `first`: 0 to 128, for IPv4 96 to 128.
    bits: u8,
}

/// The upper 96 bits of IPv4-mapped addresses.
const MAPPED: u128 = 0xffff_0000_0000;

fn is_mapped(address: u128) -> bool {
    address >> 32 == MAPPED >> 32
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => MAPPED | u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    /// The addresses that have their first `prefix_len` bits in common with `address` (IPv4: 0 to 32, IPv6: 0 to
    /// 128).
    ///
    /// # Errors
    /// [`NetworkError::PrefixLength`] if it is longer than an address; [`NetworkError::HostBits`] if a bit behind the
    /// prefix is set, as in `10.0.0.1/8`, which may mean one address or sixteen million.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Self, NetworkError> {
        let (longest, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if prefix_len > longest {
            return Err(NetworkError::PrefixLength);
        }
        let network = Self { first: number(address), bits: prefix_len.saturating_add(offset) };
        if network.first & !network.mask() != 0 { Err(NetworkError::HostBits) } else { Ok(network) }
    }

    /// Whether the address is in the network.
    #[must_use]
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        address & self.mask() == self.first && is_mapped(address) == self.is_ipv4()
    }

    #[inline]
    fn is_ipv4(&self) -> bool {
        self.bits >= 96 && is_mapped(self.first)
    }

    #[inline]
    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(self.bits))).unwrap_or(0)
    }

    /// 16 bytes of address in network order, IPv4 as IPv4-mapped, and the length of their prefix.
    pub(crate) fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [self.bits; 17];
        if let Some(slot) = bytes.first_chunk_mut() {
            *slot = self.first.to_be_bytes();
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` if nothing writes so.
    pub(crate) fn from_bytes(bytes: &[u8; 17]) -> Option<Self> {
        let (first, &[bits]) = bytes.split_first_chunk()? else { return None };
        let network = Self { first: u128::from_be_bytes(*first), bits };
        (bits <= 128 && network.first & !network.mask() == 0).then_some(network)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `address/length`, or an address alone, which is a network of one.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let length = match length {
            None => {
                if address.is_ipv4() {
                    32
                } else {
                    128
                }
            }
            // Digits alone: no sign, no leading zero.
            Some(digits)
                if digits.bytes().all(|byte| byte.is_ascii_digit())
                    && !(digits.len() > 1 && digits.starts_with('0')) =>
            {
                digits.parse().map_err(|_| NetworkError::PrefixLength)?
            }
            Some(_) => return Err(NetworkError::PrefixLength),
        };
        Self::new(address, length)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = core::net::Ipv6Addr::from_bits(self.first);
        match address.to_ipv4_mapped().filter(|_| self.is_ipv4()) {
            Some(address) => write!(formatter, "{address}/{}", self.bits.saturating_sub(96)),
            None => write!(formatter, "{address}/{}", self.bits),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Network({self})")
    }
}

/// Why a text is no network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NetworkError {
    /// What precedes the slash is no IPv4 or IPv6 address.
    Address,
    /// The length of the prefix is no number, or longer than an address.
    PrefixLength,
    /// A bit behind the prefix is set.
    HostBits,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Address => "not an IPv4 or IPv6 address; expected something like 192.0.2.0/24 or 2001:db8::/32",
            Self::PrefixLength => "the number behind the slash must be 0 to 32 for IPv4, 0 to 128 for IPv6",
            Self::HostBits => "bits behind the prefix are set; write the first address of the network, like 10.0.0.0/8, or leave the slash away for one address",
        })
    }
}

impl core::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn membership() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("::/0", "::ffff:10.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/33", "2001:db8:7fff::", true),
            ("2001:db8::/33", "2001:db8:8000::", false),
            ("::1", "::1", true),
        ] {
            assert_eq!(contains(network, address), inside, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network() {
        for (text, error) in [
            ("", NetworkError::Address),
            ("10.0.0/8", NetworkError::Address),
            ("10.0.0.0/33", NetworkError::PrefixLength),
            ("10.0.0.0/", NetworkError::PrefixLength),
            ("10.0.0.0/+8", NetworkError::PrefixLength),
            ("10.0.0.0/08", NetworkError::PrefixLength),
            ("10.0.0.0/8/8", NetworkError::PrefixLength),
            ("::/129", NetworkError::PrefixLength),
            ("10.0.0.1/8", NetworkError::HostBits),
            ("2001:db8::1/32", NetworkError::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    proptest! {
        /// Bit by bit, in text.
        #[test]
        fn a_network_holds_what_shares_its_prefix(network: u32, address: u32, length in 0_u8..=32) {
            let first = if length == 0 { 0 } else { network >> (32 - length) << (32 - length) };
            let text = std::format!("{}/{length}", core::net::Ipv4Addr::from_bits(first));
            let (bits, other) = (std::format!("{first:032b}"), std::format!("{address:032b}"));
            let inside = bits.get(..usize::from(length)) == other.get(..usize::from(length));
            let parsed: Network = text.parse().unwrap();
            prop_assert_eq!(parsed.contains(core::net::Ipv4Addr::from_bits(address).into()), inside);
            prop_assert_eq!(parsed.to_string(), text);
            prop_assert_eq!(Network::from_bytes(&parsed.to_bytes()), Some(parsed));
        }
    }
}
