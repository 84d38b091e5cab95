//! Who asked, where proxies stand in front of a listener: what those say in `X-Forwarded-For` whom it trusts.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, Request};
use tower::Service;

use crate::config::TrustedProxies;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Tells what is behind it who asked, in place of the proxy that passed it on: as the request's [`ConnectInfo`], so
/// that nothing there has to know of proxies. The port is 0 then: nobody says which it was.
#[derive(Clone)]
pub(super) struct Behind<S> {
    pub(super) proxies: TrustedProxies,
    pub(super) service: S,
}

impl<S, B> Service<Request<B>> for Behind<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        if let Some(client) = peer.and_then(|peer| forwarded(&self.proxies, peer, request.headers())) {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, 0)));
        }
        self.service.call(request)
    }
}

/// For whom a trusted peer asks. Each proxy adds whoever asked it behind what is there already: who asked is the last
/// that is no proxy of ours, and anything before that one anybody can have written. `None`: the peer itself, or nobody
/// can say.
fn forwarded(proxies: &TrustedProxies, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    if !proxies.include(peer) {
        return None;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut client = None;
    for entry in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        let address = address(entry)?;
        client = Some(address);
        if !proxies.include(address) {
            break;
        }
    }
    client
}

/// An address, as proxies write it: some add the port, then IPv6 stands in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Proxies of ours, in two networks.
    const OURS: [&str; 2] = ["10.0.0.0/8", "2001:db8:1::/48"];

    /// Who asked a peer that came with these lines; nothing: the peer.
    fn asked(peer: &str, lines: &[&str]) -> Option<String> {
        let lines =
            lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
        let proxies = TrustedProxies::of(&OURS).unwrap();
        forwarded(&proxies, peer.parse().unwrap(), &lines.collect()).map(|address| address.to_string())
    }

    fn at(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_trusted_proxy_says_who_asked_and_nobody_else_does() {
        assert_eq!(asked("10.0.0.1", &["203.0.113.7"]), at("203.0.113.7"));
        assert_eq!(asked("198.51.100.1", &["203.0.113.7"]), None);
        assert_eq!(asked("10.0.0.1", &[]), None, "it asked by itself");
    }

    #[test]
    fn of_a_chain_of_proxies_each_is_passed_over_that_is_trusted() {
        let chain = at("203.0.113.7");
        assert_eq!(asked("10.0.0.1", &["203.0.113.7, 10.0.0.2"]), chain);
        assert_eq!(asked("10.0.0.1", &["203.0.113.7", "10.0.0.3,10.0.0.2"]), chain, "lines are one list");
        assert_eq!(asked("10.0.0.1", &["203.0.113.7, 198.51.100.1"]), at("198.51.100.1"), "not ours");
        assert_eq!(asked("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), at("10.0.0.3"), "one of ours asked");
    }

    #[test]
    fn what_a_client_wrote_itself_changes_nothing() {
        let line = |spoofed: &str| asked("10.0.0.1", &[&format!("{spoofed}, 203.0.113.7, 10.0.0.2")]);
        for spoofed in ["198.51.100.1", "10.0.0.9", "Marta Planted", "", ",,", "\u{e9}", "unknown"] {
            assert_eq!(line(spoofed), at("203.0.113.7"), "{spoofed}");
            assert_eq!(asked("10.0.0.1", &[spoofed, "203.0.113.7"]), at("203.0.113.7"), "{spoofed}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_as_far_as_it_matters_is_as_good_as_none() {
        for line in
            ["", "unknown", "_hidden", "203.0.113.7,", "203.0.113.7 10.0.0.2", "203.0.113", "203.0.113.7:"]
        {
            assert_eq!(asked("10.0.0.1", &[line]), None, "{line}");
            assert_eq!(asked("10.0.0.1", &[line, "10.0.0.2"]), None, "{line}");
        }
    }

    #[test]
    fn addresses_of_ipv6_and_with_ports_are_read_and_a_mapped_one_is_ipv4() {
        let six = at("2001:db8:2::7");
        assert_eq!(asked("2001:db8:1::5", &["2001:db8:2::7, 2001:db8:1::6"]), six);
        assert_eq!(asked("10.0.0.1", &["[2001:db8:2::7]"]), six);
        assert_eq!(asked("10.0.0.1", &["[2001:db8:2::7]:443"]), six);
        assert_eq!(asked("10.0.0.1", &["203.0.113.7:50123"]), at("203.0.113.7"));
        assert_eq!(asked("::ffff:10.0.0.1", &["::ffff:203.0.113.7, ::ffff:10.0.0.2"]), at("203.0.113.7"));
    }
}
