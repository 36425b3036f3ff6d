//! Ports on the node: each address, port and protocol once.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/scheduling/hostportusage.go`.

use cluster::template::HostPort;

/// Whether two ports exclude each other: an unspecified address stands for all.
pub fn collide(a: &HostPort, b: &HostPort) -> bool {
    a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || is_any(&a.ip) || is_any(&b.ip))
}

/// Whether any of `wanted` is taken.
pub fn any_taken(wanted: &[HostPort], taken: &[HostPort]) -> bool {
    wanted.iter().any(|port| taken.iter().any(|other| collide(port, other)))
}

fn is_any(ip: &str) -> bool {
    matches!(ip, "" | "0.0.0.0" | "::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, port: u16, protocol: &str) -> HostPort {
        HostPort { ip: ip.into(), port, protocol: protocol.into() }
    }

    #[test]
    fn an_unspecified_address_collides_with_every_address() {
        assert!(collide(&port("", 80, "TCP"), &port("10.0.0.1", 80, "TCP")));
        assert!(collide(&port("::", 80, "TCP"), &port("0.0.0.0", 80, "TCP")));
        assert!(!collide(&port("10.0.0.2", 80, "TCP"), &port("10.0.0.1", 80, "TCP")));
        assert!(!collide(&port("", 80, "TCP"), &port("", 80, "UDP")));
        assert!(!collide(&port("", 80, "TCP"), &port("", 81, "TCP")));
    }
}
