//! `trusted_proxies` of a listener: whose word is taken for who asked.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::section::Section;

const KEY: &str = "trusted_proxies";
const RULE: &str = "each has to be an address, or a network like 10.0.0.0/8 that is not everybody and has only zeros \
    behind its prefix; IPv4 is written as IPv4";

/// Proxies that may say, in `X-Forwarded-For`, who asked them. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Addresses and networks, as they are written.
    ///
    /// # Errors
    /// The rule that one of them breaks.
    pub fn of<T: AsRef<str>>(texts: &[T]) -> Result<Self, &'static str> {
        texts.iter().map(|text| network(text.as_ref()).ok_or(RULE)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let texts = section.texts(KEY);
        Self::of(&texts).unwrap_or_else(|rule| {
            section.problem(KEY, rule);
            Self::default()
        })
    }

    /// Whether whoever has this address is one of them. An IPv4 address may come in the form that IPv6 has for it.
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// As they may be shown.
    pub(super) fn printable(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network: IpNet = text.parse().ok().or_else(address)?;
    let sound = network == network.trunc() && network.prefix_len() > 0;
    // Addresses that are compared are never in the form of IPv6 for IPv4: such a network would hold nobody.
    let is_mapped = network.addr().to_canonical() != network.addr();
    (sound && !is_mapped).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn include(proxies: &str, address: &str) -> bool {
        TrustedProxies::of(&[proxies]).unwrap().include(address.parse().unwrap())
    }

    #[test]
    fn a_network_includes_what_has_its_prefix_and_an_address_only_itself() {
        assert!(include("10.0.0.0/8", "10.255.0.1") && !include("10.0.0.0/8", "11.0.0.1"));
        assert!(include("10.128.0.0/9", "10.128.0.1") && !include("10.128.0.0/9", "10.127.255.255"));
        assert!(include("10.0.0.7", "10.0.0.7") && !include("10.0.0.7", "10.0.0.8"));
        assert!(include("2001:db8::/47", "2001:db8:1::7") && !include("2001:db8::/47", "2001:db8:2::7"));
        assert!(include("::1", "::1") && !include("::1", "::2"));
        assert!(!include("10.0.0.0/8", "2001:db8::7") && !include("2001:db8::/32", "10.0.0.1"));
        assert!(!TrustedProxies::default().include([127, 0, 0, 1].into()), "nobody by default");
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_the_form_that_ipv6_has_for_it() {
        assert!(include("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(!include("10.0.0.0/8", "::ffff:11.0.0.1") && !include("10.0.0.0/8", "::10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_or_is_everybody_is_refused() {
        let none =
            ["", "epro.example", "10.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.7:80", " 10.0.0.7"];
        let more_than_is_meant = ["10.0.0.7/8", "2001:db8::7/32", "0.0.0.0/0", "::/0"];
        let nobody = ["::ffff:10.0.0.0/104", "::ffff:10.0.0.1"];
        for text in none.into_iter().chain(more_than_is_meant).chain(nobody) {
            assert_eq!(TrustedProxies::of(&[text]), Err(RULE), "{text}");
        }
    }
}
