//! Which addresses may be connected to. Names are resolved here, and the addresses that were looked at are the very ones
//! that the connection is made to: a name that changes its mind in between (DNS rebinding) gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses within the house that are allowed.
#[derive(Clone, Debug)]
pub(in crate::connectors) struct Guard {
    networks: Vec<IpNet>,
}

impl Guard {
    pub(in crate::connectors) fn new(networks: &[IpNet]) -> Self {
        Self { networks: networks.to_vec() }
    }

    /// Whether a URL's host, where it is an address, may be connected to: an address is not resolved, so the resolver
    /// never sees it.
    pub(in crate::connectors) fn check_literal(&self, url: &Url) -> Result<(), String> {
        let address = match url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').parse()) {
            Some(Ok(address)) => address,
            _ => return Ok(()),
        };
        self.refusal(address).map_or(Ok(()), |why| Err(format!("{address} {why}")))
    }

    /// Why an address may not be connected to; `None` when it may.
    pub(super) fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        let address = embedded(address);
        if let Some(why) = never(address) {
            return Some(why);
        }
        if !in_house(address) || self.networks.iter().any(|network| network.contains(&address)) {
            return None;
        }
        Some("is an address within the house, and `networks` does not name it")
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut allowed = found.clone();
            allowed.retain(|address| guard.refusal(address.ip()).is_none());
            if allowed.is_empty() {
                let why = found.first().and_then(|first| Some((first.ip(), guard.refusal(first.ip())?)));
                let why = why.map_or_else(|| "has no address".to_owned(), |(ip, why)| format!("is {ip}, which {why}"));
                return Err(format!("{} {why}", name.as_str()).into());
            }
            let allowed: Addrs = Box::new(allowed.into_iter());
            Ok(allowed)
        })
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped (RFC 4291 §2.5.5), translated (RFC 6052), or 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let four = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        // `::` and `::1` are themselves.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        _ => address,
    }
}

/// Services of hosting providers that hand credentials to whoever asks from within a machine.
const METADATA: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// What nobody may connect to, whatever the configuration says.
fn never(address: IpAddr) -> Option<&'static str> {
    let (link_local, metadata) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), METADATA.contains(&v4)),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0 == 0xfe80, v6 == METADATA_V6),
    };
    let nowhere = address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if metadata {
        return Some("belongs to a service that hands out credentials of this machine");
    }
    if link_local {
        return Some("is link-local, where such services are");
    }
    nowhere.then_some("is no address of one machine")
}

/// Loopback, private (RFC 1918, RFC 4193), and shared address space (RFC 6598).
fn in_house(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || a == 0 || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.segments()[0] & 0xfe00 == 0xfc00,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(networks: &[&str], address: &str) -> bool {
        let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
        Guard::new(&networks).refusal(address.parse().unwrap()).is_some()
    }

    #[test]
    fn some_addresses_are_never_connected_to() {
        let everything = ["0.0.0.0/0", "::/0"];
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(refused(&everything, address), "{address}");
        }
        assert!(!refused(&everything, "127.0.0.1") && !refused(&everything, "::1"));
    }

    #[test]
    fn addresses_within_the_house_are_named_or_refused() {
        for (address, network) in [
            ("127.0.0.1", "127.0.0.0/8"),
            ("10.1.2.3", "10.1.0.0/16"),
            ("172.16.0.1", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.1.1/32"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("0.1.2.3", "0.0.0.0/8"),
            ("::1", "::1/128"),
            ("fd12::7", "fd12::/16"),
            ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ] {
            assert!(refused(&[], address), "{address}");
            assert!(!refused(&[network], address), "{address} in {network}");
            assert!(refused(&["10.9.0.0/16"], address), "{address} is not in that one");
        }
        for address in ["93.184.216.34", "2606:2800:220:1::1", "100.128.0.1", "172.32.0.1"] {
            assert!(!refused(&[], address), "{address}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_looked_at_too() {
        let guard = Guard::new(&[]);
        let check = |url: &str| guard.check_literal(&url.parse().unwrap());
        for url in ["https://127.0.0.1/", "https://[::1]:8443/x", "https://0x7f000001/", "https://169.254.169.254/"] {
            assert!(check(url).is_err(), "{url}");
        }
        assert!(check("https://crm.example.org/").is_ok() && check("https://93.184.216.34/").is_ok());
    }
}
