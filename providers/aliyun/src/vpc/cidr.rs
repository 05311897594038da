//! Address ranges of a dedicated network and of its subnets.

use std::net::Ipv4Addr;

/// An IPv4 range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    first: u32,
    length: u8,
}

/// What is nobody's private network.
const FORBIDDEN: [Cidr; 5] = [
    Cidr::new([0, 0, 0, 0], 8),
    Cidr::new([100, 64, 0, 0], 10),
    Cidr::new([127, 0, 0, 0], 8),
    Cidr::new([169, 254, 0, 0], 16),
    Cidr::new([224, 0, 0, 0], 3),
];

impl Cidr {
    const fn new(address: [u8; 4], length: u8) -> Self {
        Self {
            first: u32::from_be_bytes(address),
            length,
        }
    }

    /// Reads `10.64.0.0/20`. The error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(address, length)| Some((address.parse::<Ipv4Addr>().ok()?, length.parse::<u8>().ok()?)));
        let Some((address, length)) = parts.filter(|(_, length)| *length <= 32) else {
            return Err("is no range of IPv4 addresses; write one such as 10.64.0.0/20".into());
        };
        let first = u32::from(address);
        let aligned = Self {
            first: first & mask(length),
            length,
        };
        if aligned.first != first {
            return Err(format!("does not begin at its first address; write {aligned}"));
        }
        Ok(aligned)
    }

    /// Reads the range of a network of our own.
    pub(crate) fn network(text: &str) -> Result<Self, String> {
        let cidr = Self::parse(text)?;
        if !(8..=26).contains(&cidr.length) {
            return Err("is too large or too small; write one from /8 to /26 such as 10.64.0.0/20".into());
        }
        match FORBIDDEN.iter().find(|forbidden| forbidden.overlaps(cidr)) {
            Some(forbidden) => Err(format!(
                "overlaps {forbidden}, which no network may use; take one of 10.0.0.0/8"
            )),
            None => Ok(cidr),
        }
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        let both = mask(self.length.min(other.length));
        self.first & both == other.first & both
    }

    /// The range for the `n`th of `count` subnets, or the next that overlaps none of those `taken`.
    pub(crate) fn subnet(self, n: usize, count: usize, taken: &[Self]) -> Option<Self> {
        let bits = (count.max(4).next_power_of_two().ilog2() as u8).max(16_u8.saturating_sub(self.length));
        let length = self.length + bits;
        if length > 29 {
            return None;
        }
        let blocks = 1_usize << bits;
        let block = |n: usize| {
            let n = u32::try_from(n % blocks).ok()?;
            Some(Self {
                first: self.first + (n << (32 - length)),
                length,
            })
        };
        (n..n + blocks)
            .filter_map(block)
            .find(|block| !taken.iter().any(|taken| taken.overlaps(*block)))
    }
}

const fn mask(length: u8) -> u32 {
    if length == 0 { 0 } else { u32::MAX << (32 - length) }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("10.64.0.0", "is no range"),
            ("10.64.0.0/33", "is no range"),
            ("10.64.1.0/20", "write 10.64.0.0/20"),
            ("10.64.0.0/28", "/8 to /26"),
            ("127.0.0.0/16", "127.0.0.0/8"),
        ] {
            let said = Cidr::network(text).expect_err("it is wrong");
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn subnets_share_the_network() {
        let network = Cidr::network("10.64.0.0/20").expect("it is good");
        let text = |cidr: Option<Cidr>| cidr.map(|cidr| cidr.to_string());
        assert_eq!(text(network.subnet(0, 2, &[])).as_deref(), Some("10.64.0.0/22"));
        assert_eq!(text(network.subnet(1, 2, &[])).as_deref(), Some("10.64.4.0/22"));
        let taken = [Cidr::parse("10.64.5.0/24").expect("it is good")];
        assert_eq!(text(network.subnet(1, 2, &taken)).as_deref(), Some("10.64.8.0/22"));
        assert_eq!(network.subnet(0, 2, &[network]), None);
        let large = Cidr::network("10.0.0.0/8").expect("it is good");
        assert_eq!(text(large.subnet(255, 2, &[])).as_deref(), Some("10.255.0.0/16"));
        let small = Cidr::network("192.168.1.0/26").expect("it is good");
        assert_eq!(text(small.subnet(3, 3, &[])).as_deref(), Some("192.168.1.48/28"));
    }
}
